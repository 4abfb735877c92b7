package serving_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing/tracetest"
)

// traced submits the query q, whose trace began elsewhere, to a worker that
// traces too.
func (r *rig) traced(spans *tracetest.Recorder, a ask) *worker {
	r.Helper()
	ctx, root := spans.Root(r.Context(), "accept")
	a.id, a.input = "q", "the payload"
	a.message = func(m *query.Message) { m.Trace = spans.Carry(ctx) }
	r.submit(a)
	root.End()
	return r.start("w1", func(o *serving.Options, _ *mortal) { o.Traces = spans.Tracer })
}

func TestTraceOfAQueryOnAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		spans := tracetest.New()
		r.submit(ask{id: "untraced", model: "quick", class: query.Strict, boundMS: 9000})
		w := r.traced(spans, ask{model: "slow", class: query.Strict, boundMS: 900})
		r.want("q", query.Succeeded)
		r.want("untraced", query.Succeeded)
		r.end(w)
		if got, want := spans.Tree(), "accept(receive wait run finish)"; got != want || spans.Traces() != 1 {
			t.Errorf("%d traces: %s, want one: %s", spans.Traces(), got, want)
		}
		for name, want := range map[string]string{"query": "q", "task": "t", "model": "slow", "class": "strict", "worker": "w1"} {
			if got := spans.Attribute("run", name); got != want {
				t.Errorf("the run tells %s=%q, want %q", name, got, want)
			}
		}
		if spans.Contains("the payload") {
			t.Error("a span tells the payload")
		}
	})
}

func TestTraceOfAQueryThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		spans := tracetest.New()
		r.settings.MaxAttempts = 2
		r.answers.broken = true
		w := r.traced(spans, ask{model: "slow", class: query.Relaxed, boundMS: 60_000})
		r.want("q", query.Failed)
		r.end(w)
		tree := spans.Tree() // the first try's end and the second's beginning are at one moment
		for _, name := range []string{"receive", "wait", "run:model_fault", "finish"} {
			if strings.Count(tree, name) != 2 || spans.Traces() != 1 {
				t.Errorf("%s, want %s twice", tree, name)
			}
		}
	})
}

// What overflows carries the trace on from there.
func TestTraceOfAnOverflowedQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		spans := tracetest.New()
		r.submit(ask{id: "first", model: "slow", class: query.Strict, boundMS: 900})
		w := r.traced(spans, ask{model: "slow", class: query.Strict, boundMS: 120})
		m := r.overflow()
		_, next := spans.Child(spans.Continue(t.Context(), m.Trace), "dispatch")
		next.End()
		<-time.After(time.Second)
		r.end(w)
		if got, want := spans.Tree(), "accept(receive wait overflow(dispatch))"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		r.wantDepth(platform.Overflow, 0)
	})
}
