package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A function that hangs holds a query and its caller until it counts as hung, which is 2 s and
// four times its p99 of 30 ms. A worker answers it then, unless another process has. Where
// there are no workers, it is waited for as long as the caller waits; one that is only slow is
// waited for everywhere. None is invoked twice.
func TestAFunctionThatHangsHoldsNoCaller(t *testing.T) {
	const hung, ago = 2120 * time.Millisecond, 400 * time.Millisecond
	for _, tc := range []struct {
		name    string
		other   bool          // another process held the request until now
		takes   time.Duration // the function
		workers bool
		wait    time.Duration
		by      query.RunnerKind // who answers; empty for nobody
		least   time.Duration    // until the caller is answered
		most    time.Duration
	}{
		{"it hangs", false, time.Hour, true, 20 * time.Second, query.OnWorker, hung, hung + 50*time.Millisecond},
		{"it hangs, and the caller waits for less", false, time.Hour, true, time.Second, "", hung, hung},
		{"it hangs, and there are no workers", false, time.Hour, false, 20 * time.Second, "", 20 * time.Second, 20 * time.Second},
		{"it hangs, there are no workers, and the caller waits for less", false, time.Hour, false, time.Second, "", hung, hung},
		{"it is slow", false, 2 * time.Second, true, time.Second, query.OnFunction, 2 * time.Second, 2 * time.Second},
		{"it hangs, of what another held", true, time.Hour, true, 20 * time.Second, query.OnWorker, hung, hung + 50*time.Millisecond},
		{"it hangs, of what another held until the end of the wait", true, time.Hour, true, ago + time.Millisecond, "", hung, hung},
		{"it is slow, of what another held", true, 2 * time.Second, true, ago + time.Millisecond, query.OnFunction, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inAccount(t, func(a *account) {
				a.mine.takes = tc.takes
				a.pool.StrictMS = 1e6 // a worker is late
				s := a.process(func(c *Config) {
					set := settings.Defaults()
					set.OverflowPath = "direct"
					c.Settings = func() settings.Settings { return set }
				})
				if tc.workers {
					a.publish()
				} else {
					a.workers.Store(false)
					v := platform.FleetView{Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large", At: time.Now()}}, At: time.Now()}
					if err := a.backend.Fleet.PublishView(a.t.Context(), v); err != nil {
						a.t.Fatal(err)
					}
				}
				r, terms, began := strictly(), Terms{Wait: tc.wait}, time.Now()
				if tc.other {
					terms.Since = began.Add(-ago)
				}
				got, err := s.Take(a.t.Context(), "me", r, terms)
				if err != nil {
					a.t.Fatal(err)
				}
				if took := time.Since(began); took < tc.least || took > tc.most {
					a.t.Errorf("its caller was answered after %v, want %v to %v", took, tc.least, tc.most)
				}
				var by query.RunnerKind
				if o := got.Record.Outcome; o != nil {
					by = o.RanOn.Kind
				}
				if n := a.mine.calls.Load(); by != tc.by || n != 1 {
					a.t.Errorf("it is %s, by %q, after %d invocations: %+v", got.Record.State, by, n, got.Record.Trail)
				}
			})
		})
	}
}
