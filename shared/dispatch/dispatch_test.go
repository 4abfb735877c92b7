package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/dispatch"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

func TestAnswersOnTheCheapestFunctionInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			boundMS float64
			need    query.Need
			want    string // 256 MB is less than the model needs
		}{
			{5000, query.Need{}, "1000"}, {700, query.Need{}, "1000"}, {100, query.Need{}, "2000"},
			{5000, query.Need{Optimize: query.Latency}, "2000"},
			{5000, query.Need{Constraints: query.Constraints{Accuracy: 50, CostUSDPerMillion: 1000}}, "2000"}, // so it is without a word
		} {
			r := newRig(t, nil)
			r.submit("q", tc.boundMS, func(m *query.Message) { m.Need = tc.need })
			r.handleAll()
			rec := r.get("q")
			if rec.State != query.Succeeded || rec.Outcome.Result.Label != "input of q" {
				t.Fatalf("bound %v ms: %s, %+v", tc.boundMS, rec.State, rec.Outcome)
			}
			if got := r.names; !slices.Equal(got, []string{tc.want}) {
				t.Errorf("bound %v ms: invoked %v, want %s", tc.boundMS, got, tc.want)
			}
			if o := rec.Outcome; o.RanOn.Kind != query.OnFunction || o.RanOn.Name != "inference-m-"+tc.want ||
				o.CostUSD != pricing.FunctionQueryUSD(catalogue().Prices, "x86_64", o.RanOn.MemoryMB, 55) {
				t.Errorf("ran on %+v for %v", o.RanOn, o.CostUSD)
			}
			r.wantDepth(platform.Overflow, 0)
			r.close()
		}
	})
}

// A function of which more than one start in twenty is cold serves no bound that
// a cold start breaks.
func TestColdStartsAreWeighedIn(t *testing.T) {
	for _, tc := range []struct {
		name string
		cold int // of the first invocations
		want string
	}{{"none was cold", 0, "1000"}, {"one was", 1, "1000"}, {"three were", 3, "2000"}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			for i := range 3 {
				r.initMS = 0
				if i < tc.cold {
					r.initMS = 600
				}
				r.submit(fmt.Sprint("before", i), 10_000, nil)
				r.handleAll()
			}
			r.submit("q", 300, nil) // the p95 of 1000 MB is 90 ms, cold 690
			r.handleAll()
			if last := r.names[len(r.names)-1]; last != tc.want {
				t.Errorf("%s: chose %s, want %s", tc.name, last, tc.want)
			}
		})
	}
}

// After the first cold start of a model its function is warm: the next queries run there, and
// do not each start another size cold.
func TestAWarmFunctionIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		slow := catalogue() // a cold start of 60 times a run, which outweighs the price of a larger size
		slow.Models[0].Latency[0].ColdMS = &profile.Percentiles{P50: 3000, P95: 4000, P99: 5000}
		r.Dispatcher.Catalogue = slow
		seen := map[string]bool{}
		r.script = func(name string, _ int) (inference.Response, error) {
			r.initMS = 3000
			if seen[name] {
				r.initMS = 0
			}
			seen[name] = true
			return inference.Response{Label: "a", ComputeMS: 50}, nil
		}
		for i := range 6 {
			r.submit(fmt.Sprint(i), 10_000, nil)
			r.handleAll()
		}
		if len(seen) != 1 {
			t.Errorf("six queries, one after the other, ran on %v", r.names)
		}
	})
}

// A throttle storm burns no message: each goes to its work queue, pinned, with
// no attempt counted.
func TestThrottleStormBurnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.script = func(string, int) (inference.Response, error) { return inference.Response{}, platform.ErrThrottled }
		for i := range 10 {
			r.submit(fmt.Sprint(i), 1000, nil)
		}
		r.handleAll()
		if len(r.names) != 30 {
			t.Errorf("%d invocations of 10 queries on 3 sizes", len(r.names))
		}
		r.wantDepth(platform.Overflow, 0)
		r.wantDepth(platform.DeadLetters, 0)
		ds := r.receive(platform.WorkQueue(pool, query.Strict))
		if len(ds) != 10 {
			t.Fatalf("%d messages on the work queue", len(ds))
		}
		for _, d := range ds {
			last := d.Message.Trail[len(d.Message.Trail)-1]
			if m := d.Message; !m.Pinned || m.Attempts != 0 || last.Event != query.StepReturned || !strings.Contains(last.Why, "throttled") {
				t.Errorf("message %+v", m)
			}
		}
	})
}

// A function that hangs does not keep a query until it expires: half of the time before
// is a worker's, and what was invoked is charged. One that takes as long as the bound lets
// it is waited for.
func TestAFunctionThatHangsLeavesTimeForAWorker(t *testing.T) {
	for _, tc := range []struct {
		name    string
		boundMS float64
		after   time.Duration // on the way to the functions
		took    time.Duration
		want    time.Duration // until the query is on its work queue; 0 when it is answered
	}{
		{"it hangs", 1000, 0, time.Hour, 30 * time.Second},
		{"it hangs, of a query that was handed over late", 1000, 40 * time.Second, time.Hour, 10 * time.Second},
		{"it hangs, of a query with a long bound", 30_000, 0, time.Hour, 45 * time.Second},
		{"it takes as long as the bound", 30_000, 0, 30 * time.Second, 0},
		{"it starts slowly", 1000, 0, 29 * time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.took = tc.took
				r.submit("q", tc.boundMS, nil)
				time.Sleep(tc.after)
				ds, began := r.receive(platform.Overflow), time.Now()
				if failed := r.Handle(t.Context(), ds); len(failed) != 0 {
					t.Errorf("%d deliveries failed", len(failed))
				}
				if tc.want == 0 {
					if rec := r.get("q"); rec.State != query.Succeeded || len(r.names) != 1 {
						t.Errorf("%d invocations, and it is %q", len(r.names), rec.State)
					}
					return
				}
				if took := time.Since(began); took != tc.want {
					t.Errorf("it came back after %v, want %v", took, tc.want)
				}
				back := r.receive(platform.WorkQueue(pool, query.Strict))
				if len(back) != 1 || !back[0].Message.Pinned || back[0].Message.Attempts != 0 {
					t.Fatalf("the work queue has %+v", back)
				}
				if last := back[0].Message.Trail[len(back[0].Message.Trail)-1]; last.Event != query.StepReturned || !strings.Contains(last.Why, "expires") {
					t.Errorf("its last step is %+v", last)
				}
				if r.paid.usd == 0 {
					t.Error("the invocation is not charged")
				}
			})
		})
	}
}

func TestFallsBackThroughTheSizes(t *testing.T) {
	fault := fmt.Errorf("it died: %w", platform.ErrFault)
	for _, tc := range []struct {
		name     string
		errs     []error // of the invocations, in order
		failures []query.FailureCode
		state    query.State
		code     query.FailureCode
		attempts int
		work     int
	}{
		{"throttled once", []error{platform.ErrThrottled, nil}, nil, query.Succeeded, "", 0, 0},
		{"one fault", []error{fault, nil}, nil, query.Succeeded, "", 1, 0},
		{"faults everywhere", []error{fault, fault, fault}, nil, query.Failed, query.TooOften, 3, 0},
		{"two faults and a throttle", []error{fault, platform.ErrThrottled, fault}, nil, "", "", 2, 1},
		{"out of reach", []error{platform.ErrUnavailable}, nil, "", "", 0, 1},
		{"bad input", nil, []query.FailureCode{query.BadInput}, query.Failed, query.BadInput, 1, 0},
		{"model fault once", []error{nil, nil}, []query.FailureCode{query.ModelFault, ""}, query.Succeeded, "", 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.script = func(_ string, nth int) (res inference.Response, err error) {
					if nth < len(tc.failures) && tc.failures[nth] != "" {
						res.Error = &query.Failure{Code: tc.failures[nth], Detail: "as the script has it"}
					}
					if nth < len(tc.errs) {
						err = tc.errs[nth]
					}
					return res, err
				}
				r.submit("q", 5000, nil)
				r.handleAll()
				rec := r.get("q")
				if rec.State != tc.state || tc.name == "out of reach" && len(r.names) != 1 {
					t.Fatalf("%s, want %s: %+v", rec.State, tc.state, rec.Outcome)
				}
				if o := rec.Outcome; o != nil && o.Attempts != tc.attempts || tc.code != "" && o.Failure.Code != tc.code {
					t.Errorf("outcome %+v, failure %+v", o, o.Failure)
				}
				if names := slices.Compact(slices.Sorted(slices.Values(r.names))); len(names) != len(r.names) {
					t.Errorf("a size was tried twice: %v", r.names)
				}
				r.wantDepth(platform.Overflow, 0)
				r.wantDepth(platform.WorkQueue(pool, query.Strict), tc.work)
				dead := 0
				if tc.code == query.TooOften {
					dead = 1
				}
				r.wantDepth(platform.DeadLetters, dead)
			})
		})
	}
}

func TestWhatIsNotRun(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		change  func(*query.Message)
		state   query.State
	}{
		{"cancelled", func(r *rig) {
			m := query.Message{ID: "q", ForgetAt: time.Now().Add(time.Hour)}
			if _, _, err := r.Records.PutRecord(r.Context(), m.Ended(query.Outcome{State: query.Cancelled})); err != nil {
				r.Fatal(err)
			}
		}, func(m *query.Message) { m.Keyed = true }, query.Cancelled},
		{"expired", func(*rig) { <-time.After(2 * time.Minute) }, nil, query.Expired},
		{"a killer", nil, func(m *query.Message) { m.Attempts = 3 }, query.Failed},
		{"without its upload", nil, func(m *query.Message) { m.Input = query.Input{URI: "upload:gone"} }, query.Failed},
		{"of an unknown model", nil, func(m *query.Message) { m.Model = "unknown" }, ""},
		{"too large", nil, func(m *query.Message) { m.Input.Data = make([]byte, inference.MaxInputBytes+1) }, ""},
		{"with overflow off", func(r *rig) { r.settings.MaxOverflowConcurrency = 0 }, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.submit("q", 1000, tc.change)
				if tc.prepare != nil {
					tc.prepare(r)
				}
				r.handleAll()
				if rec := r.get("q"); rec.State != tc.state || len(r.names) != 0 {
					t.Errorf("%s after %d invocations, want %s", rec.State, len(r.names), tc.state)
				}
				r.wantDepth(platform.Overflow, 0)
				work := 0
				if tc.state == "" {
					work = 1
				}
				r.wantDepth(platform.WorkQueue(pool, query.Strict), work)
			})
		})
	}
}

// What cannot be stored is handed back, and nothing of it is lost.
func TestUnstoredIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.submit("q", 1000, nil)
		ds := r.receive(platform.Overflow)
		r.close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if failed := r.Handle(ctx, ds); len(failed) != 1 {
			t.Errorf("%d deliveries failed, want 1", len(failed))
		}
	})
}

// The pump runs no more at once than the setting says, renews what it holds,
// ends every query once on unkind queues, and finishes what it began.
func TestPump(t *testing.T) {
	for _, chaos := range []*sqlite.Chaos{nil, {Seed: 3, Duplicate: 0.3, Delay: 0.3, Late: 2 * time.Second, Reorder: true}} {
		t.Run(fmt.Sprintf("chaos=%v", chaos != nil), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, chaos)
				defer r.close()
				r.took = 20 * time.Second // longer than a lease
				r.settings.MaxOverflowConcurrency = 3
				for i := range 7 {
					r.submit(fmt.Sprint(i), 60_000, nil)
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); r.Pump(ctx) }()
				for i := range 7 {
					if rec, err := r.Records.AwaitRecord(t.Context(), fmt.Sprint(i)); err != nil || rec.State != query.Succeeded || rec.Outcome.Attempts != 0 {
						t.Errorf("query %d: %s, %+v, error %v", i, rec.State, rec.Outcome, err)
					}
				}
				if chaos == nil && (r.most != 3 || len(r.names) != 7) {
					t.Errorf("%d at once, %d invocations; want 3 and 7", r.most, len(r.names))
				}
				if r.most > 3 {
					t.Errorf("%d at once", r.most)
				}
				<-time.After(time.Minute)
				r.submit("last", 60_000, nil)
				<-time.After(3 * time.Second)
				stop()
				<-done
				if rec := r.get("last"); rec.State != query.Succeeded {
					t.Errorf("the last query is %s: it was begun and not finished", rec.State)
				}
				<-time.After(time.Minute)
				if chaos == nil {
					r.wantDepth(platform.Overflow, 0)
				}
			})
		})
	}
}

func TestNewNeedsFunctions(t *testing.T) {
	o := dispatch.Options{Catalogue: catalogue(), Arch: "z80", Invoker: &functions{}}
	if _, err := dispatch.New(o); err == nil || !strings.Contains(err.Error(), "z80") {
		t.Errorf("unknown architecture: %v", err)
	}
	o.Invoker = nil
	if _, err := dispatch.New(o); err == nil {
		t.Error("no invoker: no error")
	}
}

// billed are functions of which each invocation is billed, also one that fails.
type billed struct{ *functions }

func (b billed) Invoke(ctx context.Context, name string, payload []byte) (platform.Invocation, error) {
	inv, err := b.functions.Invoke(ctx, name, payload)
	inv.BilledMS = 55
	return inv, err
}

// What is paid is notified of each invocation, also of one that failed.
func TestReportsWhatInvocationsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.Dispatcher.Invoker = billed{r.functions}
		r.script = func(_ string, nth int) (inference.Response, error) {
			if nth == 0 {
				return inference.Response{}, fmt.Errorf("it died: %w", platform.ErrFault)
			}
			return inference.Response{Label: "answered"}, nil
		}
		r.submit("q", 5000, nil)
		r.handleAll()
		want := 0.0
		for _, name := range r.names {
			mb := map[string]int{"1000": 1000, "2000": 2000, "4000": 4000}[name]
			want += pricing.FunctionQueryUSD(catalogue().Prices, "x86_64", mb, 55)
		}
		if len(r.names) != 2 || math.Abs(r.paid.usd-want) > 1e-15 {
			t.Errorf("paid %v for %v, want %v", r.paid.usd, r.names, want)
		}
	})
}

// lostLeases are queues on which no lease can be renewed: another has the message.
type lostLeases struct{ platform.Queues }

func (lostLeases) Extend(context.Context, platform.Delivery, time.Duration) error {
	return fmt.Errorf("renew: %w", platform.ErrLeaseLost)
}

// A lease is lost while a function answers: the answer is stored all the same, without a
// second invocation and without a warning. Where another stored an outcome meanwhile, that
// one stays.
func TestAnAnswerIsStoredThoughTheLeaseIsLost(t *testing.T) {
	for _, other := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			var log bytes.Buffer
			r.Dispatcher.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			r.Dispatcher.Queues = lostLeases{r.Queues}
			r.settings.MaxOverflowConcurrency = 1
			r.took = 20 * time.Second // longer than a lease
			r.submit("q", 60_000, nil)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); r.Pump(ctx) }()
			<-time.After(time.Second)
			want := "input of q"
			if other {
				want = "another's"
				m := query.Message{ID: "q", ExpiresAt: time.Now().Add(time.Minute), ForgetAt: time.Now().Add(time.Hour)}
				_, _, err := r.Records.PutRecord(t.Context(), m.Ended(query.Outcome{State: query.Succeeded, Result: &query.Result{Label: want}}))
				if err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(2 * time.Minute)
			stop()
			<-done
			if rec := r.get("q"); rec.State != query.Succeeded || rec.Outcome.Result.Label != want || len(r.names) != 1 {
				t.Errorf("%s as %+v after %d invocations, want one and %q", rec.State, rec.Outcome, len(r.names), want)
			}
			if log.Len() > 0 {
				t.Errorf("warned:\n%s", &log)
			}
			r.wantDepth(platform.Overflow, 0)
		})
	}
}
