package serving_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
)

// withFunctions is the catalogue with functions that take 50 ms, and 400 ms more
// when they must be started: 110 ms and 900 ms at the 95th percentile.
func withFunctions() *profile.Catalogue {
	c := catalogue()
	c.Functions = []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1024}, MBPerVCPU: 1769, Speed: 1}}
	for i := range c.Models {
		c.Models[i].Latency = append(c.Models[i].Latency, profile.Latency{
			Resource: "lambda-x86_64", MemoryMB: 1024, Threads: 1, Batch: 1,
			MS:     profile.Percentiles{P50: 50, P95: 110, P99: 120},
			ColdMS: &profile.Percentiles{P50: 400, P95: 900, P99: 1000},
		})
	}
	return c
}

// rule publishes the rules of overflow, as the controller does.
func (r *rig) rule(p placement.Pool) {
	r.Helper()
	r.ruleAt(p, time.Now())
}

func (r *rig) ruleAt(p placement.Pool, at time.Time, warm ...string) {
	r.Helper()
	p.Name = pool
	if err := r.Fleet.PublishView(r.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: at, WarmFunctions: warm}); err != nil {
		r.Fatal(err)
	}
}

// startBusy starts a worker whose one runner is taken by a query that does not
// end before the answers' cold is closed.
func (r *rig) startBusy(id string) *worker {
	r.Helper()
	r.answers.cold, r.answers.started = make(chan struct{}), make(chan string, 99)
	r.submit(ask{id: "first", model: "slow", class: query.Relaxed, boundMS: 300_000})
	w := r.start(id, func(o *serving.Options, _ *mortal) { o.Arch, o.Catalogue = "x86_64", withFunctions() })
	<-r.answers.started
	return w
}

func TestRelaxedIsHandedOverAtItsBound(t *testing.T) {
	broke, left := 0.0, 1.0
	for _, tc := range []struct {
		name  string
		rule  placement.Pool
		off   bool          // overflow
		age   time.Duration // of the view; the clock begins at a full hour
		goes  bool
		class query.Class
		warm  []string // models whose functions count as warm
	}{
		{name: "at the bound", rule: placement.Pool{RelaxedOverflow: true}, goes: true},
		{name: "at the bound of a warm function", rule: placement.Pool{RelaxedOverflow: true}, goes: true, warm: []string{"quick"}},
		{name: "a warm function of another model", rule: placement.Pool{RelaxedOverflow: true}, goes: true, warm: []string{"slow"}},
		{name: "with money left", rule: placement.Pool{RelaxedOverflow: true, BudgetLeftUSD: &left}, goes: true},
		{name: "never", rule: placement.Pool{}},
		{name: "without money", rule: placement.Pool{RelaxedOverflow: true, BudgetLeftUSD: &broke}},
		{name: "without money in the hour before", rule: placement.Pool{RelaxedOverflow: true, BudgetLeftUSD: &broke}, age: time.Second, goes: true},
		{name: "overflow is off", rule: placement.Pool{RelaxedOverflow: true}, off: true},
		{name: "strict, allowed", rule: placement.Pool{}, class: query.Strict, goes: true},
		{name: "strict, without money", rule: placement.Pool{BudgetLeftUSD: &broke}, class: query.Strict},
		{name: "strict, never", rule: placement.Pool{NoStrictOverflow: true}, class: query.Strict},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				if tc.off {
					r.settings.MaxOverflowConcurrency = 0
				}
				r.settings.HeartbeatSeconds = 300 // one view lasts for the test
				r.ruleAt(tc.rule, time.Now().Add(-tc.age), tc.warm...)
				w := r.startBusy("w1")
				release := sync.OnceFunc(func() { close(r.answers.cold) })
				defer release() // where the test fails, too, or its worker never ends
				if tc.class == "" {
					tc.class = query.Relaxed
				}
				began := time.Now()
				r.submit(ask{id: "q", model: "quick", class: tc.class, boundMS: 10_000})
				if tc.goes {
					r.wantHandedOver(began, tc.class, slices.Contains(tc.warm, "quick"))
				} else {
					<-time.After(30 * time.Second)
					r.wantDepth(platform.Overflow, 0)
				}
				release()
				if !tc.goes {
					r.want("q", query.Succeeded)
				}
				r.end(w)
			})
		})
	}
}

// wantHandedOver takes the query q off the overflow queue and expects that it
// waited as long as its function allows, warm or cold, and no longer.
func (r *rig) wantHandedOver(began time.Time, class query.Class, warm bool) {
	r.Helper()
	m := r.overflow()
	waited := time.Since(began)
	if m.ID != "q" || m.Trail.Count(query.StepDeclined) != 1 {
		r.Errorf("message %s with the trail %+v", m.ID, m.Trail)
	}
	lookAhead := time.Duration(r.settings.LookAheadMS) * time.Millisecond
	last := 10*time.Second - 15*time.Millisecond - 110*time.Millisecond - lookAhead // way, service
	if warm {
		last -= sizing.HandOverSlackMS * time.Millisecond
	} else {
		last -= 900 * time.Millisecond // cold start
	}
	if class == query.Relaxed && (waited < last || waited > last+60*time.Millisecond) {
		r.Errorf("it was handed over after %v, want %v", waited, last)
	}
}

// What a runner can start in time is not handed over, and neither is what no
// function keeps the bound of any more, or threw back.
func TestRelaxedStays(t *testing.T) {
	for name, change := range map[string]func(*query.Message){
		"too late for a function": func(m *query.Message) { m.DeadlineAt = m.AcceptedAt.Add(50 * time.Millisecond) },
		"thrown back":             func(m *query.Message) { m.Pinned = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.settings.HeartbeatSeconds = 300
				r.rule(placement.Pool{RelaxedOverflow: true})
				w := r.startBusy("w1")
				r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 10_000, message: change})
				<-time.After(30 * time.Second)
				close(r.answers.cold)
				r.want("q", query.Succeeded)
				r.end(w)
				r.wantDepth(platform.Overflow, 0)
			})
		})
	}
}

// A full worker holds none that another may start: what it finds far from its
// bound goes back, and an idle worker answers it at once.
func TestAFullWorkerHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.HeartbeatSeconds = 300
		r.rule(placement.Pool{RelaxedOverflow: true})
		full := r.startBusy("full")
		began := time.Now()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 60_000})
		<-time.After(5 * time.Second)
		close(r.answers.cold) // for the other one: what runs is stuck no more
		other := r.start("other", nil)
		if rec := r.want("q", query.Succeeded); rec.Outcome.FinishedAt.Sub(began) > 6*time.Second {
			t.Errorf("answered after %v", rec.Outcome.FinishedAt.Sub(began))
		}
		r.end(full, other)
	})
}

// A worker dies at each step while relaxed queries are handed over: each ends
// once, and no message is left behind.
func TestDeathWhileHandingOver(t *testing.T) {
	for _, unkind := range []bool{false, true} {
		for _, cut := range cuts {
			if unkind && !strings.Contains(cut, "move") {
				continue // TestDeathAtEveryStep has them
			}
			t.Run(fmt.Sprintf("%s chaos=%v", cut, unkind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { dieWhileHandingOver(t, cut, unkind) })
			})
		}
	}
}

func dieWhileHandingOver(t *testing.T, cut string, unkind bool) {
	r := newRig(t, nil)
	if unkind {
		r.close()
		r = newRig(t, chaos(11))
	}
	defer r.close()
	r.settings.HeartbeatSeconds, r.settings.LookAheadMS, r.settings.BouncePollMS = 300, 0, 200
	r.rule(placement.Pool{RelaxedOverflow: true})
	stop := r.throwBack()
	defer stop()
	ids := map[string]query.State{}
	for i := range 16 { // 1.6 s of work for one runner; a function keeps the bound until 0.975 s
		a := ask{id: fmt.Sprint("q", i), model: "slow", class: query.Relaxed, boundMS: 2000}
		r.submit(a)
		ids[a.id] = query.Succeeded
	}
	open := func(m string) func(*serving.Options, *mortal) {
		return func(o *serving.Options, way *mortal) {
			o.Arch, o.Catalogue, way.cut = "x86_64", withFunctions(), m
		}
	}
	victim := r.start("victim", open(cut))
	<-time.After(1500 * time.Millisecond)
	victim.way.dead.Store(true)
	r.end(victim)
	heir := r.start("heir", open(""))
	r.wantEnded(ids)
	<-time.After(2 * time.Minute)
	r.end(heir)
	handed := 0
	for id := range ids {
		handed += r.result(id).Trail.Count(query.StepDeclined)
		if n := r.wins.won[id]; n != 1 {
			t.Errorf("query %s ended %d times", id, n)
		}
	}
	// An unkind backend may lose the very move that was cut.
	if handed == 0 && !unkind && (cut == "amid move" || cut == "after move") {
		t.Error("none was handed over")
	}
	for _, q := range []platform.QueueName{platform.WorkQueue(pool, query.Relaxed), platform.Overflow, platform.DeadLetters} {
		r.wantDepth(q, 0)
	}
}
