package dispatch_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// aMessage is a query of the rig's model with a bound that each function keeps.
func aMessage() query.Message {
	now := time.Now()
	return query.Message{ID: "q", Owner: "owner", Model: "m", Class: query.Strict, AcceptedAt: now,
		DeadlineAt: now.Add(5 * time.Second), ExpiresAt: now.Add(time.Minute), Input: query.Input{Data: []byte("input")}}
}

// A query is answered, failed or thrown back with the reason that says what its
// caller may do next, and neither queue nor records are touched.
func TestInvokeSaysWhatCameOfIt(t *testing.T) {
	fault := fmt.Errorf("it died: %w", platform.ErrFault)
	for _, tc := range []struct {
		name     string
		errs     []error // of the invocations, in order
		change   func(*query.Message)
		off      bool
		state    query.State // empty when it is thrown back
		thrown   inference.Reason
		attempts int
		calls    int
	}{
		{"answered", nil, nil, false, query.Succeeded, "", 0, 1},
		{"throttled once", []error{platform.ErrThrottled}, nil, false, query.Succeeded, "", 0, 2},
		{"throttled everywhere", []error{platform.ErrThrottled, platform.ErrThrottled, platform.ErrThrottled}, nil, false, "", inference.Throttled, 0, 3},
		{"one fault, then throttled", []error{fault, platform.ErrThrottled, platform.ErrThrottled}, nil, false, "", inference.Fault, 1, 3},
		{"throttled, then faults", []error{platform.ErrThrottled, fault, fault}, nil, false, "", inference.Fault, 2, 3},
		{"faults everywhere", []error{fault, fault, fault}, nil, false, query.Failed, "", 3, 3},
		{"the last of its attempts", []error{fault}, func(m *query.Message) { m.Attempts = 2 }, false, query.Failed, "", 3, 1},
		{"in doubt", []error{platform.ErrUnavailable}, nil, false, "", inference.InDoubt, 0, 1},
		{"a fault, then in doubt", []error{fault, context.DeadlineExceeded}, nil, false, "", inference.InDoubt, 1, 2},
		{"no such functions", []error{platform.ErrNotFound, platform.ErrNotFound, platform.ErrNotFound}, nil, false, "", inference.NoFunction, 0, 3},
		{"unknown model", nil, func(m *query.Message) { m.Model = "unknown" }, false, "", inference.NoFunction, 0, 0},
		{"too large", nil, func(m *query.Message) { m.Input.Data = make([]byte, inference.MaxInputBytes+1) }, false, "", inference.NoFunction, 0, 0},
		{"off", nil, nil, true, "", inference.Off, 0, 0},
		{"no upload", nil, func(m *query.Message) { m.Input = query.Input{URI: "upload:gone"} }, false, query.Failed, "", 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				if tc.off {
					r.settings.MaxOverflowConcurrency = 0
				}
				r.script = func(_ string, nth int) (inference.Response, error) {
					if nth < len(tc.errs) {
						return inference.Response{}, tc.errs[nth]
					}
					return inference.Response{Label: "answered"}, nil
				}
				m := aMessage()
				if tc.change != nil {
					tc.change(&m)
				}
				v := r.Dispatcher.Invoke(t.Context(), m)
				var state query.State
				if v.Outcome != nil {
					state = v.Outcome.State
				}
				if state != tc.state || v.Thrown != tc.thrown || v.Attempts != tc.attempts || len(r.names) != tc.calls {
					t.Errorf("%+v after %d invocations, want %+v", v, len(r.names), tc)
				}
				if (v.Thrown == "") != (v.Outcome != nil) || (v.Why == "") != (v.Outcome != nil) {
					t.Errorf("ended and thrown back, or neither: %+v", v)
				}
				if v.Outcome != nil && v.Outcome.Attempts != tc.attempts {
					t.Errorf("outcome %+v", v.Outcome)
				}
				if rec := r.get("q"); rec.State != "" {
					t.Errorf("it has a record: %+v", rec)
				}
			})
		})
	}
}

// What was invoked is charged: what was billed, and in doubt what is expected.
func TestInvokeCharges(t *testing.T) {
	usd := func(mb int, ms float64) float64 {
		return pricing.FunctionQueryUSD(catalogue().Prices, "x86_64", mb, ms)
	}
	for _, tc := range []struct {
		name string
		errs []error
		want float64
	}{
		{"answered", nil, usd(1000, 55)},
		{"a fault before", []error{platform.ErrFault}, usd(1000, 55) + usd(2000, 55)},
		{"throttled", []error{platform.ErrThrottled, platform.ErrThrottled, platform.ErrThrottled}, 0},
		{"in doubt", []error{platform.ErrUnavailable}, usd(1000, 75)}, // 50 ms on one vCPU, on two thirds of one
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.Dispatcher.Invoker = billedFaults{r.functions}
				r.script = func(_ string, nth int) (inference.Response, error) {
					if nth < len(tc.errs) {
						return inference.Response{}, tc.errs[nth]
					}
					return inference.Response{Label: "answered"}, nil
				}
				v := r.Dispatcher.Invoke(t.Context(), aMessage())
				if math.Abs(v.CostUSD-tc.want) > 1e-15 || math.Abs(r.paid.usd-tc.want) > 1e-15 {
					t.Errorf("cost %v, paid %v, want %v", v.CostUSD, r.paid.usd, tc.want)
				}
				if v.Outcome != nil && v.Outcome.CostUSD != v.CostUSD {
					t.Errorf("the outcome's cost is %v of %v", v.Outcome.CostUSD, v.CostUSD)
				}
			})
		})
	}
}

// billedFaults bills what ran: an answer, and a fault.
type billedFaults struct{ *functions }

func (b billedFaults) Invoke(ctx context.Context, name string, payload []byte) (platform.Invocation, error) {
	inv, err := b.functions.Invoke(ctx, name, payload)
	if err == platform.ErrFault {
		inv.BilledMS = 55
	}
	return inv, err
}

// A caller that leaves while a function runs leaves the invocation in doubt:
// no other is made, and it is charged.
func TestInvokeEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.took = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		v := r.Dispatcher.Invoke(ctx, aMessage())
		if v.Thrown != inference.InDoubt || v.CostUSD == 0 || len(r.names) != 1 {
			t.Errorf("%+v after %d invocations", v, len(r.names))
		}
	})
}

// A function is asked for all scores only when the query asks for them.
func TestInvokeAsksForAllScoresIfAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		for _, all := range []bool{false, true} {
			var asked []bool
			r.asked = func(req inference.Request) { asked = append(asked, req.AllScores) }
			m := aMessage()
			m.AllScores = all
			if v := r.Dispatcher.Invoke(t.Context(), m); v.Outcome == nil || len(asked) != 1 || asked[0] != all {
				t.Errorf("all scores %v: asked %v, %+v", all, asked, v)
			}
		}
	})
}
