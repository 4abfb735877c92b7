package intake

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// crowd is a service whose platform many processes use.
type crowd []*Service

// newCrowd returns processes that take queries in over one platform.
func newCrowd(t *testing.T, processes int, change func(*Config)) (testService, crowd) {
	t.Helper()
	first := newTestService(t, change)
	all := crowd{first.Service}
	for len(all) < processes {
		c := first.Config
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		s.reserveTime = first.Service.reserveTime
		t.Cleanup(s.Settle)
		all = append(all, s)
	}
	return first, all
}

// burst has queries taken in at one moment, each by the next process, and counts
// by where they were placed; those that were refused count by their kind.
func (c crowd) burst(t *testing.T, queries int, r Request, w Terms) map[string]int {
	t.Helper()
	got := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range queries {
		all.Go(func() {
			a, err := c[i%len(c)].Take(t.Context(), "me", r, w)
			mu.Lock()
			defer mu.Unlock()
			var no *Refusal
			switch {
			case errors.As(err, &no):
				got[string(no.Kind)]++
			case err != nil:
				t.Error(err)
			default:
				got[placed(a.Record)]++
			}
		})
	}
	all.Wait()
	return got
}

// late is where a query goes that has no slot in time and got no lease to overflow:
// when many ask at once the shared counter may be taken.
const late = "late"

// placed is where a query was sent, or late.
func placed(r query.Record) string {
	withoutLease := placement.Choice{Reason: placement.OverflowIsOff}.String()
	if n := len(r.Trail); n > 0 && strings.HasPrefix(r.Trail[n-1].Why, withoutLease) {
		return late
	}
	return r.Placement
}

// A burst of twice what the runners can do in time is admitted by forty
// processes as by one.
func TestABurstIsAdmittedOnce(t *testing.T) {
	const runners, queries = 10, 480
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10_000
	work := string(platform.WorkQueue("general", query.Strict))
	admitted := map[int]int{}
	for _, processes := range []int{1, 40} {
		d, all := newCrowd(t, processes, func(c *Config) { c.Settings = func() settings.Settings { return set } })
		d.publish(t, runners)
		got := all.burst(t, queries, strictly(), Terms{})
		admitted[processes] = got[work]
		if got[work]+got[late]+got[string(platform.Overflow)] != queries {
			t.Errorf("%d processes placed %v", processes, got)
		}
		// A second burst finds no slot, and half the bound later half of them.
		if again := all.burst(t, queries, strictly(), Terms{}); again[work] > got[work]/20 {
			t.Errorf("%d processes admitted another %d at once", processes, again[work])
		}
	}
	if one, forty := admitted[1], admitted[40]; one < queries/3 || one > queries*2/3 || forty < one*9/10 || forty > one*11/10 {
		t.Errorf("one process admits %d of %d queries, forty %d", one, queries, forty)
	}
}

// The line is worked off as time passes, and a process that knows of more work
// than the line says goes by what it knows.
func TestALineIsWorkedOff(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10_000
	work := string(platform.WorkQueue("general", query.Strict))
	d, all := newCrowd(t, 5, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publish(t, 10)
	first := all.burst(t, 480, strictly(), Terms{})[work]
	d.clock.advance(query.Duration(250)) // of some 440 ms that a query may wait
	if n := all.burst(t, 480, strictly(), Terms{})[work]; n < first/2 || n > first*7/10 {
		t.Errorf("%d slots came free of %d", n, first)
	}
	d.clock.advance(query.Duration(10_000))
	p := placement.Pool{Name: "general", InstanceType: "c5.large", Runners: 10, StrictMS: 1e6, At: d.clock.now()}
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		s.refreshView(t.Context())
		s.Settle()
	}
	if n := all.burst(t, 50, strictly(), Terms{})[work]; n != 0 {
		t.Errorf("%d were sent to a pool that is full by its own report", n)
	}
}

// A budget for ten queries never lets eleven through, and nine at least, with
// forty processes in front and with twenty workers that have no slot.
func TestABudgetForTenHoldsForAll(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 10 * pricing.FunctionQueryUSD(catalogue().Prices, "x86_64", 1769, 20)
	set.MaxOverflowConcurrency = 1000
	for name, tc := range map[string]struct {
		processes int
		worker    Worker
	}{
		"front=lambda":  {40, nil},
		"front=workers": {20, &slots{fault: &schedule.NoSlot{PredictedMS: 800}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := newCrowd(t, tc.processes, func(c *Config) {
				c.Worker, c.Settings = tc.worker, func() settings.Settings { return set }
			})
			through := 0
			for range 4 { // more than enough ask, at once and later
				through += all.burst(t, 60, strictly(), Terms{Wait: time.Millisecond})[string(platform.Overflow)]
			}
			if through > 10 || through < 9 {
				t.Errorf("%d queries went through on a budget for ten", through)
			}
		})
	}
}
