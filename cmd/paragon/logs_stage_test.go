package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

// cloudLogs are the logs of an account, an event a page.
type cloudLogs struct {
	groups map[string][]types.FilteredLogEvent
	asked  []string
	fails  error
}

func (c *cloudLogs) DescribeLogGroups(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	var all []string
	for name := range c.groups {
		if strings.HasPrefix(name, aws.ToString(in.LogGroupNamePrefix)) && name > aws.ToString(in.NextToken) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	out := &cloudwatchlogs.DescribeLogGroupsOutput{}
	if len(all) > 0 {
		out.LogGroups = []types.LogGroup{{LogGroupName: &all[0]}}
	}
	if len(all) > 1 {
		out.NextToken = &all[0]
	}
	return out, nil
}

func (c *cloudLogs) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if c.fails != nil {
		return nil, c.fails
	}
	group, at := aws.ToString(in.LogGroupName), 0
	if in.NextToken == nil {
		c.asked = append(c.asked, group)
	} else if _, err := fmt.Sscan(*in.NextToken, &at); err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	if events := c.groups[group]; at < len(events) {
		if e := events[at]; aws.ToInt64(e.Timestamp) >= aws.ToInt64(in.StartTime) {
			out.Events = append(out.Events, e)
		}
		out.NextToken = aws.String(fmt.Sprint(at + 1))
	}
	return out, nil
}

var logsNow = time.Date(2026, 11, 26, 12, 10, 0, 0, time.UTC)

// event is one that is so old, with an id made of its text.
func event(age time.Duration, stream, text string) types.FilteredLogEvent {
	at := logsNow.Add(-age)
	if strings.HasPrefix(text, "{") {
		text = strings.Replace(text, "{", `{"time":"`+at.Format(time.RFC3339)+`",`, 1)
	}
	return types.FilteredLogEvent{EventId: aws.String(stream + text), LogStreamName: &stream, Message: aws.String(text + "\n"), Timestamp: aws.Int64(at.UnixMilli())}
}

func someCloudLogs() *cloudLogs {
	return &cloudLogs{groups: map[string][]types.FilteredLogEvent{
		"paragon-dev-ControllerLog1A2B3C4D-xYz": {
			event(time.Hour, "s", `{"level":"INFO","msg":"an old tick"}`),
			event(3*time.Minute, "s", `{"level":"WARN","msg":"no launch","pool":"general"}`),
		},
		"paragon-dev-WorkerLog5E6F1234-aBc":               {event(5*time.Minute, "i-0abc", `{"level":"INFO","msg":"a run failed"}`), event(time.Minute, "i-0abc", "panic: \x1b[31mno memory")},
		"paragon-dev-InferenceLogistic512Log7A8B1234-dEf": {event(2*time.Minute, "t", `{"level":"ERROR","msg":"cannot start"}`)},
		"paragon-dev-AccessLog9C001234-gHi":               {event(time.Minute, "a", `{"status":"200"}`)},
		"paragon-dev-FlowLogsAB001234-jKl":                {event(time.Minute, "f", "2 123456789012 eni-1")},
		"paragon-dev-two-ControllerLog12345678-mNo":       {event(time.Minute, "s", `{"level":"INFO","msg":"another stage"}`)},
	}}
}

// A process that the stage has no log of is refused, with those that there are.
func TestLogsOfAnUnknownProcessOfAStage(t *testing.T) {
	f := logFlags{level: "info", lines: 100, since: stageLogsSince, process: "controler"}
	err := runStageLogs(t.Context(), termAt(newTerminal(t, nil), logsNow), &f, someCloudLogs(), "dev")
	if err == nil || !strings.Contains(err.Error(), `inference-logistic512, or a worker's instance id; did you mean "controller"?`) {
		t.Error(err)
	}
}

func TestLogsOfAStage(t *testing.T) {
	for name, c := range map[string]struct {
		flags logFlags
		has   []string
	}{
		"all":         {logFlags{}, []string{"INFO   i-0abc  a run failed", `WARN   controller  no launch  pool="general"`, "ERROR  inference-logistic512  cannot start", "INFO   i-0abc  panic:  [31mno memory"}},
		"the last":    {logFlags{lines: 1}, []string{"panic"}},
		"a day":       {logFlags{since: 24 * time.Hour, process: "controller"}, []string{"an old tick", "no launch"}},
		"warnings":    {logFlags{level: "warn"}, []string{"no launch", "cannot start"}},
		"workers":     {logFlags{process: "worker"}, []string{"a run failed", "panic"}},
		"one worker":  {logFlags{process: "i-0abc"}, []string{"a run failed", "panic"}},
		"another":     {logFlags{process: "i-0def"}, nil},
		"functions":   {logFlags{process: "function", level: "error"}, []string{"cannot start"}},
		"one of them": {logFlags{process: "controller"}, []string{"no launch"}},
	} {
		t.Run(name, func(t *testing.T) {
			term, logs := newTerminal(t, nil), someCloudLogs()
			f := c.flags
			if f.level == "" {
				f.level = "info"
			}
			if f.lines == 0 {
				f.lines = 100
			}
			if f.since == 0 {
				f.since = stageLogsSince
			}
			if err := runStageLogs(t.Context(), termAt(term, logsNow), &f, logs, "dev"); err != nil {
				t.Fatal(err)
			}
			lines := strings.FieldsFunc(term.Out.String(), func(r rune) bool { return r == '\n' })
			if len(lines) != len(c.has) {
				t.Fatalf("printed %q, want %d lines", lines, len(c.has))
			}
			for i, want := range c.has {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d is %q, want %q", i, lines[i], want)
				}
			}
		})
	}
}

// Only the logs that may hold what is wanted are searched, and none of another stage
// whose name begins alike.
func TestOnlyWantedLogsOfAStageAreSearched(t *testing.T) {
	for process, want := range map[string][]string{
		"":         {"paragon-dev-ControllerLog1A2B3C4D-xYz", "paragon-dev-InferenceLogistic512Log7A8B1234-dEf", "paragon-dev-WorkerLog5E6F1234-aBc"},
		"worker":   {"paragon-dev-WorkerLog5E6F1234-aBc"},
		"function": {"paragon-dev-ControllerLog1A2B3C4D-xYz", "paragon-dev-InferenceLogistic512Log7A8B1234-dEf"},
	} {
		logs := someCloudLogs()
		tail := &stageTail{logs: logs, stage: "dev", filter: logFilter{process: process}, seen: map[string]time.Time{}}
		if _, err := tail.read(t.Context(), logsNow.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logs.asked, want) {
			t.Errorf("%q: searched %v, want %v", process, logs.asked, want)
		}
	}
}

// A line that comes late is printed once, and so is every other.
func TestAFollowedStagePrintsEachLineOnce(t *testing.T) {
	logs := someCloudLogs()
	tail := &stageTail{logs: logs, stage: "dev", seen: map[string]time.Time{}}
	first, err := tail.read(t.Context(), logsNow.Add(-10*time.Minute))
	if err != nil || len(first) == 0 {
		t.Fatal(first, err)
	}
	group := "paragon-dev-WorkerLog5E6F1234-aBc"
	logs.groups[group] = append(logs.groups[group], event(50*time.Second, "i-0abc", "late"))
	for _, want := range []int{1, 0} {
		if more, err := tail.read(t.Context(), logsNow.Add(-lateLines)); err != nil || len(more) != want {
			t.Fatalf("%d lines, want %d: %v, error %v", len(more), want, more, err)
		}
	}
	if _, err := tail.read(t.Context(), logsNow.Add(time.Hour)); err != nil || len(tail.seen) != 0 {
		t.Errorf("%d events are remembered for ever: %v", len(tail.seen), err)
	}
	logs.fails = fmt.Errorf("AccessDenied")
	if _, err := tail.read(t.Context(), logsNow); err == nil || !strings.Contains(err.Error(), "paragon-dev-ControllerLog") {
		t.Errorf("a refused call: %v", err)
	}
}

func TestWhatIsWrongWithTheLogsOfAStage(t *testing.T) {
	for name, f := range map[string]logFlags{"since": {level: "info", since: 400 * time.Hour}, "level": {level: "loud", since: time.Hour}, "lines": {level: "info", since: time.Hour, lines: -1}} {
		if err := runStageLogs(t.Context(), termAt(newTerminal(t, nil), logsNow), &f, someCloudLogs(), "dev"); err == nil || !strings.Contains(err.Error(), "--"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	term := newTerminal(t, nil)
	if code := term.Run(t.Context(), []string{"logs", "--data", t.TempDir(), "--since", "2h"}); code != cli.ExitUsage || !strings.Contains(term.Err.String(), "--stage") {
		t.Errorf("--since of one machine: %d %s", code, &term.Err)
	}
}

// termAt is the terminal at a moment.
func termAt(term *terminal, at time.Time) *cli.Terminal {
	term.Now = func() time.Time { return at }
	return term.Terminal.Terminal
}
