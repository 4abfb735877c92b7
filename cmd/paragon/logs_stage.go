package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/stagelogs"
)

const (
	// stageLogsSince is how far back a stage's logs are read unless it is said.
	stageLogsSince = 15 * time.Minute
	// pollStageEvery is how often followed logs are read: CloudWatch Logs lets an
	// account search a few times a second, and a stage has a log for each function.
	pollStageEvery = 10 * time.Second
	// lateLines is by how much a line may come after younger ones.
	lateLines = time.Minute
)

// stageLogs is what is asked of CloudWatch Logs.
type stageLogs interface {
	stagelogs.Groups
	FilterLogEvents(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error)
}

// openStageLogs finds the logs of a stage in an account.
func openStageLogs(ctx context.Context, stage string) (stageLogs, error) {
	s, err := discovery.Open(ctx, stage)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, discovery.Advice(err))
	}
	return cloudwatchlogs.NewFromConfig(s.Keys().Config()), nil
}

// stageTail reads what the functions and workers of a stage logged.
type stageTail struct {
	logs   stageLogs
	stage  string
	filter logFilter
	seen   map[string]time.Time // events that were read, by their ids
}

// read returns the lines since a moment that were not returned before, the oldest first.
func (t *stageTail) read(ctx context.Context, from time.Time) (out []logLine, err error) {
	logs, err := stagelogs.Find(ctx, t.logs, t.stage)
	if err != nil {
		return nil, err
	}
	logs = slices.DeleteFunc(logs, func(l stagelogs.Log) bool { return l.Part == stagelogs.Requests || l.Part == stagelogs.Network })
	if err := t.known(logs); err != nil {
		return nil, err
	}
	for _, l := range logs {
		if !t.wants(l.Part) {
			continue
		}
		if out, err = t.search(ctx, l, from, out); err != nil {
			return nil, fmt.Errorf("read the log %s: %w", l.Group, err)
		}
	}
	for id, at := range t.seen {
		if at.Before(from.Add(-lateLines)) { // it will not be asked for again
			delete(t.seen, id)
		}
	}
	slices.SortStableFunc(out, func(a, b logLine) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return out, nil
}

// known refuses a process that none of the logs is of, with those that there are.
func (t *stageTail) known(logs []stagelogs.Log) error {
	if len(logs) == 0 || slices.ContainsFunc(logs, func(l stagelogs.Log) bool { return t.wants(l.Part) }) {
		return nil
	}
	names := []string{workerProcess, functionProcess}
	for _, l := range logs {
		if l.Part != stagelogs.Workers {
			names = append(names, l.Part)
		}
	}
	return cli.Usagef("--process is %q: the stage has no log of such a process; name one of: %s, or a worker's instance id%s",
		t.filter.process, strings.Join(names, ", "), cli.Meant(t.filter.process, names))
}

// wants reports whether a part's log may hold lines that the filter takes.
func (t *stageTail) wants(part string) bool {
	switch p := t.filter.process; {
	case p == "", p == part:
		return true
	case part == stagelogs.Workers:
		return p == workerProcess || strings.HasPrefix(p, instancePrefix)
	default:
		return p == functionProcess
	}
}

// search adds a log's lines since a moment.
func (t *stageTail) search(ctx context.Context, log stagelogs.Log, from time.Time, out []logLine) ([]logLine, error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &log.Group, StartTime: aws.Int64(from.UnixMilli())})
	for pages.HasMorePages() && len(out) < mostLogLines {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, e := range page.Events {
			l := stageLine(log.Part, e)
			if id := aws.ToString(e.EventId); t.seen[id].IsZero() && t.filter.takes(l) {
				t.seen[id] = l.at
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// stageLine reads one event. What is no record, such as the last words of a process that
// crashed or of systemd, is its text.
func stageLine(part string, e types.FilteredLogEvent) logLine {
	text := strings.TrimRight(aws.ToString(e.Message), "\n")
	l, ok := parseLogLine(text)
	if !ok {
		l = logLine{raw: text, at: time.UnixMilli(aws.ToInt64(e.Timestamp)), level: slog.LevelInfo, message: text}
	}
	if l.process = part; part == stagelogs.Workers {
		l.process = aws.ToString(e.LogStreamName)
	}
	return l
}
