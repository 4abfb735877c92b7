package shared_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/cmd/paragon-lab/demo"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// The live controller and the simulator run one policy: what the simulator's
// controller saw, tick by tick, makes the live one want the same workers and
// allow the same overflow, for the same reason, under every scheme.
func TestTheControllerAndTheSimulatorDecideAlike(t *testing.T) {
	for _, scheme := range procurement.All() {
		t.Run(scheme.Name(), func(t *testing.T) {
			set := settings.Defaults()
			set.Scheme = scheme.Name()
			state, ticks := decision.State{}, 0
			live := func(m simulate.Moment) {
				ticks++
				at := time.Unix(0, 0).UTC().Add(m.At)
				r, after, err := decision.Make(decision.Case{At: at, Pool: "general", Snapshot: m.Snapshot, Settings: set, Before: state,
					Group: decision.Group{Max: 1000, Desired: m.Snapshot.Pool.Ready + m.Snapshot.Pool.Booting}})
				if err != nil {
					t.Fatal(err)
				}
				if r.Outcome != procurement.Decided && m.Decision.Outcome != procurement.Held {
					t.Fatalf("at %v the live one held: %s", m.At, r)
				}
				state = after
				got := procurement.Decision{Outcome: r.Outcome, Cause: m.Decision.Cause, Workers: r.Wanted, Strict: m.Decision.Strict, Relaxed: m.Decision.Relaxed, Reason: r.Reason, Candidates: r.Candidates,
					PeakToMedian: r.PeakToMedian, Dynamic: r.Dynamic, StaticSeconds: r.StaticSeconds}
				if r.Action.Strict != m.Decision.Strict || r.Action.Relaxed != m.Decision.Relaxed {
					t.Fatalf("at %v the live rules are %s and %s, simulated %s and %s", m.At, r.Action.Strict, r.Action.Relaxed, m.Decision.Strict, m.Decision.Relaxed)
				}
				if d := cmp.Diff(m.Decision, got); d != "" {
					t.Fatalf("at %v (-simulated +live):\n%s", m.At, d)
				}
			}
			_, err := simulate.Run(simulate.Config{
				Trace: demo.Crowd(20, time.Hour), Scheme: scheme, Settings: set, Strict: 0.5, StrictMS: 1000, RelaxMS: 10000,
				MetricDelay: 20 * time.Second, Workers: 3, ColdStarts: true, KeepAliveSeconds: 600, Seed: 1, Watch: live,
				Pools: []simulate.Pool{{Name: "general", InstanceType: "c5.large", Runners: 2, USDPerHour: 0.085, Share: 1, Models: []simulate.Model{
					{Name: "m", ServiceMS: 200, FunctionMS: 300, ColdMS: 500, USD: 1e-5, ColdUSD: 2e-5, MemoryMB: 1769}}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if ticks < 350 {
				t.Errorf("%d ticks in an hour", ticks)
			}
		})
	}
}
