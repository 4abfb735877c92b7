package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// group is a log group whose first calls fail.
type group struct {
	streams []string
	events  []types.InputLogEvent
	puts    int
	failing int
}

func (g *group) CreateLogStream(_ context.Context, in *cloudwatchlogs.CreateLogStreamInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	name := aws.ToString(in.LogGroupName) + "/" + aws.ToString(in.LogStreamName)
	if slices.Contains(g.streams, name) {
		return nil, &types.ResourceAlreadyExistsException{}
	}
	g.streams = append(g.streams, name)
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

func (g *group) PutLogEvents(_ context.Context, in *cloudwatchlogs.PutLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutLogEventsOutput, error) {
	g.puts++
	if g.failing > 0 {
		g.failing--
		return nil, errors.New("throttled")
	}
	g.events = append(g.events, in.LogEvents...)
	return &cloudwatchlogs.PutLogEventsOutput{}, nil
}

func (g *group) texts() (out []string) {
	for _, e := range g.events {
		out = append(out, fmt.Sprint(aws.ToInt64(e.Timestamp), " ", aws.ToString(e.Message)))
	}
	return out
}

const lines = `{"__REALTIME_TIMESTAMP":"2000000","_SYSTEMD_UNIT":"paragon-worker.service","MESSAGE":"{\"level\":\"INFO\"}"}
no entry
{"__REALTIME_TIMESTAMP":"1000000","_SYSTEMD_UNIT":"init.scope","MESSAGE":"Started."}
{"__REALTIME_TIMESTAMP":"3000000","_SYSTEMD_UNIT":"paragon-worker.service","MESSAGE":[112,97,110,105,99,255]}
{"__REALTIME_TIMESTAMP":"4000000","MESSAGE":null}
`

// Everything that the journal has is sent, in order of time, although the stream is
// there already and calls fail.
func TestTheJournalIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{streams: []string{"workers/i-1"}}
		if err := (Sender{g, "workers", "i-1"}).Send(t.Context(), strings.NewReader(lines)); err != nil {
			t.Fatal(err)
		}
		want := []string{"1000 init.scope: Started.", `2000 {"level":"INFO"}`, "3000 paragon-worker.service: panic?"}
		if got := g.texts(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// While the service refuses, nothing is lost and nothing is sent twice.
func TestFailuresLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{failing: 6}
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- (Sender{g, "workers", "i-1"}).Send(t.Context(), r) }()
		const n = 3 * maxBatchEvents
		for i := range n {
			if _, err := fmt.Fprintf(w, `{"__REALTIME_TIMESTAMP":"%d","MESSAGE":"line %d"}`+"\n", i*1000, i); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.Close() // ends the journal
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		texts := g.texts()
		slices.Sort(texts)
		if different := len(slices.Compact(texts)); different != n || len(g.events) != n {
			t.Errorf("%d events, %d of them different, want %d", len(g.events), different, n)
		}
	})
}

// A machine that stops sends what it has, without waiting for a full batch.
func TestTheLastLinesAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		g := &group{}
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- (Sender{g, "workers", "i-1"}).Send(ctx, r) }()
		if _, err := io.WriteString(w, `{"__REALTIME_TIMESTAMP":"1000","MESSAGE":"the end"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if err := <-done; err != nil || len(g.events) != 1 {
			t.Errorf("%v, %d events", err, len(g.events))
		}
		_ = w.Close() // frees the reader
	})
}

// A line longer than an event is cut, not refused.
func TestALongLineIsCut(t *testing.T) {
	e, ok := parse(fmt.Appendf(nil, `{"__REALTIME_TIMESTAMP":"1","MESSAGE":"%s"}`, strings.Repeat("ä", maxEventBytes)))
	if !ok || len(e.text) > maxEventBytes || len(e.text) < maxEventBytes-4 {
		t.Errorf("%v, %d bytes", ok, len(e.text))
	}
}
