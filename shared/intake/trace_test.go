package intake

import (
	"errors"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing/tracetest"
)

// A query's trace begins here, or where its caller's did, and goes on in its message.
func TestTraceOfAQueryTakenIn(t *testing.T) {
	for _, tc := range []struct {
		name    string
		runners int
		queue   platform.QueueName
	}{
		{"on a worker", 2, platform.WorkQueue("general", query.Strict)},
		{"on overflow", 0, platform.Overflow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spans := tracetest.New()
			d := newTestService(t, func(c *Config) { c.Traces = spans.Tracer })
			d.publish(t, tc.runners)
			ctx, caller := spans.Root(t.Context(), "caller")
			got, err := d.Take(ctx, "ann", request(500), Terms{})
			caller.End()
			if err != nil {
				t.Fatal(err)
			}
			ds, err := d.Backend.Queues.Receive(t.Context(), tc.queue, 1, time.Minute, 0)
			if err != nil || len(ds) != 1 {
				t.Fatalf("%d messages, error %v", len(ds), err)
			}
			_, next := spans.Child(spans.Continue(t.Context(), ds[0].Message.Trace), "receive")
			next.End()
			if tree, want := spans.Tree(), "caller(accept(select place send(receive)))"; tree != want || spans.Traces() != 1 {
				t.Errorf("%d traces: %s, want one: %s", spans.Traces(), tree, want)
			}
			for name, want := range map[string]string{"query": got.Record.ID, "task": "digits", "model": "net", "class": "strict", "placement": string(tc.queue)} {
				if got := spans.Attribute("accept", name); got != want {
					t.Errorf("accept tells %s=%q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestTraceOfARefusal(t *testing.T) {
	spans := tracetest.New()
	d := newTestService(t, func(c *Config) { c.Traces = spans.Tracer })
	r := request(500)
	r.Task = "no-such-task"
	_, err := d.Take(t.Context(), "ann", r, Terms{})
	if _, refused := errors.AsType[*Refusal](err); !refused {
		t.Fatal(err)
	}
	if got, want := spans.Tree(), "accept:unknown-task(select)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
