package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// answers is a log group that gives these answers to puts, one after the other, and then
// takes everything.
type answers struct {
	group
	out  []*cloudwatchlogs.PutLogEventsOutput
	errs []error
}

func (a *answers) PutLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput, o ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutLogEventsOutput, error) {
	if len(a.errs) > 0 {
		out, err := a.out[0], a.errs[0]
		a.out, a.errs = a.out[1:], a.errs[1:]
		if out != nil || err != nil {
			return out, err
		}
	}
	return a.group.PutLogEvents(ctx, in, o...)
}

func linesTo(l Logs) *Lines {
	return &Lines{Sender: Sender{Logs: l, Group: "workers", Stream: "i-1/metrics"}, Now: func() time.Time { return time.UnixMilli(5) }}
}

// The stream is made once, and all lines of a write go out in as few calls as the service's
// limits allow.
func TestLinesAreSentInFewCalls(t *testing.T) {
	g := &group{}
	l := linesTo(g)
	long := strings.Repeat("x", 1000)
	var want []string
	for write := range 2 {
		var lines [][]byte
		for i := range 2000 {
			text := fmt.Sprint(write, i, long)
			want = append(want, text)
			lines = append(lines, []byte(text))
		}
		if err := l.WriteLines(t.Context(), lines); err != nil {
			t.Fatal(err)
		}
	}
	if g.puts != 2*3 || !slices.Equal(g.streams, []string{"workers/i-1/metrics"}) {
		t.Errorf("%d puts to the streams %v, want 3 a write to one stream", g.puts, g.streams)
	}
	for i, e := range g.events {
		if *e.Message != want[i] || *e.Timestamp != 5 {
			t.Fatalf("event %d is %.20s at %d, want %.20s at 5", i, *e.Message, *e.Timestamp, want[i])
		}
	}
	if len(g.events) != len(want) {
		t.Errorf("%d events, want %d", len(g.events), len(want))
	}
}

// What is not taken is an error, upon which its writer keeps it; the next write sends again.
func TestLinesThatAreNotTakenAreAnError(t *testing.T) {
	start := int32(0)
	for name, tc := range map[string]struct {
		out     *cloudwatchlogs.PutLogEventsOutput
		err     error
		streams int // made in all
	}{
		"throttled":           {nil, &types.ServiceUnavailableException{}, 1},
		"the clock is off":    {&cloudwatchlogs.PutLogEventsOutput{RejectedLogEventsInfo: &types.RejectedLogEventsInfo{TooNewLogEventStartIndex: &start}}, nil, 1},
		"the stream was lost": {nil, &types.ResourceNotFoundException{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := &answers{out: []*cloudwatchlogs.PutLogEventsOutput{tc.out}, errs: []error{tc.err}}
			l := linesTo(g)
			if err := l.WriteLines(t.Context(), [][]byte{[]byte("a")}); err == nil || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("error %v, want one for %v", err, tc.err)
			}
			made := len(g.streams)
			g.streams = nil // lost
			if err := l.WriteLines(t.Context(), [][]byte{[]byte("a")}); err != nil {
				t.Error(err)
			}
			if got := g.texts(); !slices.Equal(got, []string{"5 a"}) || made+len(g.streams) != tc.streams {
				t.Errorf("sent %q to %d streams, want one line and %d", got, made+len(g.streams), tc.streams)
			}
		})
	}
}
