package intake

import (
	"errors"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestTheBudgetPricesBeforeItAccepts(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.000002 // a function's query costs $0.00000078: two fit
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	accepted, refused := 0, 0
	for range 10 {
		_, err := d.Take(t.Context(), "me", request(500), Terms{}) // strict, and there is no worker
		var ref *Refusal
		switch {
		case err == nil:
			accepted++
		case errors.As(err, &ref) && ref.Kind == OverBudget && ref.RetryAfter == time.Hour:
			refused++
		default:
			t.Fatal(err)
		}
	}
	if accepted != 2 || refused != 8 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
	if n := d.sent(t); n != 2 {
		t.Errorf("%d sent", n)
	}
	d.submit(t, request(10000)) // relaxed: it waits for a worker, and costs no function
	d.clock.advance(time.Hour)
	d.submit(t, request(500))
}

func TestWorkersComeFirstInTheBudget(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.16 // two workers cost $0.17
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publish(t, 4)
	d.submit(t, request(500)) // a slot that is paid for
	d.Service.fleet.mu.Lock()
	d.Service.fleet.view.Pools[0].Workers = 2
	d.Service.fleet.mu.Unlock()
	if got := d.Service.overflowLimits(set); got.BudgetUSD != 0 {
		t.Errorf("the workers leave $%v an hour", got.BudgetUSD)
	}
	var ref *Refusal
	for range 100 {
		if _, err := d.Take(t.Context(), "me", request(100), Terms{}); errors.As(err, &ref) {
			break
		}
	}
	if ref == nil || ref.Kind != OverBudget {
		t.Errorf("the burst went to functions that nobody can pay: %v", ref)
	}
}

func TestARepeatIsBookedOnce(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.000001 // one fits
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	for range 3 {
		if _, err := d.Take(t.Context(), "me", request(500), Terms{Key: "key"}); err != nil {
			t.Fatal(err)
		}
	}
}

// A query that was turned away has used up no key: a repeat is a query of its
// own, also when the first one would have expired meanwhile.
func TestAQueryThatWasTurnedAwayUsesUpNoKey(t *testing.T) {
	for _, later := range []time.Duration{time.Second, time.Hour} {
		set := settings.Defaults()
		set.HourlyBudgetUSD = 0.0000001
		counts := tally.NewBook(start)
		d := newTestService(t, func(c *Config) { c.Counts, c.Settings = counts, func() settings.Settings { return set } })
		for range 2 {
			_, err := d.Take(t.Context(), "me", request(500), Terms{Key: "key"})
			wantRefusal(t, OverBudget)(query.Record{}, err)
		}
		set.HourlyBudgetUSD = 1
		d.clock.advance(later)
		got, err := d.Take(t.Context(), "me", request(500), Terms{Key: "key"})
		if err != nil || got.Record.State != query.Accepted || got.Record.AcceptedAt != d.clock.now() || d.sent(t) != 1 {
			t.Errorf("%v later: %+v, error %v, %d sent", later, got.Record, err, d.sent(t))
		}
		if ts := counts.Snapshot(d.clock.now()).Tallies; len(ts) != 1 || ts[0].Arrived != 3 || ts[0].Refused != 2 {
			t.Errorf("counted %+v", ts)
		}
	}
}

// stage is a service with a budget whose ticks report what is left of the hour.
type stage struct{ testService }

func newStage(t *testing.T) stage {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 1
	return stage{newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })}
}

// tick publishes a view without workers, two seconds later.
func (s stage) tick(t *testing.T, leftUSD float64, relaxedToo bool) {
	t.Helper()
	s.clock.advance(2 * time.Second)
	p := placement.Pool{Name: "general", InstanceType: "c5.large", At: s.clock.now(), BudgetLeftUSD: &leftUSD, RelaxedOverflow: relaxedToo}
	if err := s.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
		t.Fatal(err)
	}
	s.refreshView(t.Context())
	s.Settle()
}

// overflows reports whether a query went to a function; false where it was
// refused for the budget.
func (s stage) overflows(t *testing.T, r Request) bool {
	t.Helper()
	got, err := s.Take(t.Context(), "me", r, Terms{})
	var ref *Refusal
	if errors.As(err, &ref) && ref.Kind == OverBudget {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return got.Record.Placement == string(platform.Overflow)
}

// The hour's budget is spent once, whatever the ticks say meanwhile, and not at
// all once a tick finds it spent.
func TestTheHourIsSpentOnce(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.0000025 // a function's query costs $0.00000078: three fit
	s := stage{newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })}
	overflowed := 0
	for range 4 {
		s.tick(t, set.HourlyBudgetUSD, false)
		for range 2 {
			if s.overflows(t, strictly()) {
				overflowed++
			}
		}
	}
	if overflowed != 3 {
		t.Errorf("%d queries went to functions, 3 are paid for", overflowed)
	}
	s = newStage(t)
	s.tick(t, 0, false)
	if s.overflows(t, strictly()) {
		t.Error("a query went to a function with nothing left of the hour")
	}
}

// What was left of an hour says nothing of the next one.
func TestTheLastHoursRemainderIsForgotten(t *testing.T) {
	s := newStage(t)
	s.tick(t, 0, false)
	if s.overflows(t, strictly()) {
		t.Error("a query went to a function with nothing left of the hour")
	}
	s.clock.advance(time.Hour) // and no tick since
	if !s.overflows(t, strictly()) {
		t.Error("the new hour has its own budget")
	}
}

// A relaxed query that may go to a function at its bound waits for a worker
// instead where nobody can pay: it is not refused.
func TestARelaxedQueryThatNobodyCanPayWaits(t *testing.T) {
	set := settings.Defaults()
	set.HourlyBudgetUSD = 0.000001 // one fits
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publishPool(t, placement.Pool{RelaxedOverflow: true, Booting: 1})
	for _, want := range []platform.QueueName{platform.Overflow, platform.WorkQueue("general", query.Relaxed)} {
		if r := d.submit(t, request(10000)); r.Placement != string(want) {
			t.Errorf("it was placed on %s, want %s", r.Placement, want)
		}
	}
}

// strictly is a query that overflows where no worker is.
func strictly() Request {
	r := request(500)
	r.Class = query.Strict
	return r
}
