package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
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
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
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
	groups, err := t.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the stage's logs: %w", err)
	}
	for _, group := range groups {
		if out, err = t.search(ctx, group, from, out); err != nil {
			return nil, fmt.Errorf("read the log %s: %w", group, err)
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

// groups are the names of the logs that may hold wanted lines: those of functions and
// workers. Requests and network flows are logged in another form.
func (t *stageTail) groups(ctx context.Context) (out []string, err error) {
	prefix := names.Prefix(t.stage)
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(t.logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, g := range page.LogGroups {
			name := aws.ToString(g.LogGroupName)
			part, isLog := partOf(strings.TrimPrefix(name, prefix))
			if isLog && part != "access" && part != "flow" && t.wants(part) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// workerLogs is the part whose log all workers share, a stream each.
const workerLogs = workerProcess

// partOf is the part of the stage that has a log, in lower case, by the log's name
// without the stage's prefix: ControllerLog1A2B3C4D-xYz is the controller's. Names of
// another stage whose name begins alike go on in lower case.
func partOf(name string) (string, bool) {
	part, _, ok := strings.Cut(name, "Log")
	return strings.ToLower(part), ok && part != "" && unicode.IsUpper(rune(part[0]))
}

// wants reports whether a part's log may hold lines that the filter takes.
func (t *stageTail) wants(part string) bool {
	switch p := t.filter.process; {
	case p == "", p == part:
		return true
	case part == workerLogs:
		return p == workerProcess || strings.HasPrefix(p, instancePrefix)
	default:
		return p == functionProcess
	}
}

// search adds a log's lines since a moment.
func (t *stageTail) search(ctx context.Context, group string, from time.Time, out []logLine) ([]logLine, error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(from.UnixMilli())})
	for pages.HasMorePages() && len(out) < mostLogLines {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, e := range page.Events {
			l := stageLine(strings.TrimPrefix(group, names.Prefix(t.stage)), e)
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
func stageLine(group string, e types.FilteredLogEvent) logLine {
	text := strings.TrimRight(aws.ToString(e.Message), "\n")
	l, ok := parseLogLine(text)
	if !ok {
		l = logLine{raw: text, at: time.UnixMilli(aws.ToInt64(e.Timestamp)), level: slog.LevelInfo, message: text}
	}
	if l.process, _ = partOf(group); l.process == workerLogs {
		l.process = aws.ToString(e.LogStreamName)
	}
	return l
}
