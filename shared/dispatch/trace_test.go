package dispatch_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing/tracetest"
)

// The functions follow the trace that their request carries.
func TestTraceOfAQueryOnAFunction(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fails  int
		max    int
		want   string
		ending query.State
	}{
		{"answered", 0, 3, "store(dispatch(invoke(infer) finish))", query.Succeeded},
		{"on the second", 1, 3, "store(dispatch(invoke:the invocation failed(infer) invoke(infer) finish))", query.Succeeded},
		{"never", 9, 1, "store(dispatch(invoke:the invocation failed(infer) finish:max_attempts))", query.Failed},
		{"thrown back", 9, 9, "store(dispatch(invoke:the invocation failed(infer) invoke:the invocation failed(infer) invoke:the invocation failed(infer) fall back(receive)))", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				spans := tracetest.New()
				r.Dispatcher.Traces, r.settings.MaxAttempts = spans.Tracer, tc.max
				r.functions.asked = func(req inference.Request) {
					_, span := spans.Child(spans.Continue(t.Context(), req.Trace), "infer")
					span.End()
				}
				r.script = func(_ string, nth int) (inference.Response, error) {
					if nth < tc.fails {
						return inference.Response{}, fmt.Errorf("it died of the payload: %w", platform.ErrFault)
					}
					return inference.Response{Label: "answered"}, nil
				}
				ctx, root := spans.Root(t.Context(), "store")
				r.submit("q", 5000, func(m *query.Message) { m.Trace, m.Input.Data = spans.Carry(ctx), []byte("the payload") })
				root.End()
				r.handleAll()
				for _, d := range r.receive(platform.WorkQueue(pool, query.Strict)) {
					_, span := spans.Child(spans.Continue(t.Context(), d.Message.Trace), "receive")
					span.End()
				}
				if got := spans.Tree(); got != tc.want || spans.Traces() != 1 {
					t.Errorf("%d traces: %s, want one: %s", spans.Traces(), got, tc.want)
				}
				if state := r.get("q").State; state != tc.ending {
					t.Errorf("it is %s, want %s", state, tc.ending)
				}
				if spans.Contains("the payload") || spans.Attribute("dispatch", "query") != "q" || spans.Attribute("invoke", "function") == "" {
					t.Error("the spans tell the payload, or not what they are of")
				}
			})
		})
	}
}
