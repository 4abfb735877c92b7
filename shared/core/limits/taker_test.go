package limits

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// take must succeed.
func take(t *testing.T, k *Taker, l Limits) *Lease {
	t.Helper()
	lease, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestWhatIsHeldIsUsedWithoutAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1)
		k, l := s.taker(0), Limits{BudgetUSD: 1, Concurrency: 1000}
		withinAnHour()
		for range 2 { // the second knows of the first, and takes a block
			take(t, k, l).Done(costUSD)
		}
		reads := s.reads
		for range 5 {
			take(t, k, l).Done(costUSD)
		}
		if s.reads != reads || k.block.tight {
			t.Errorf("%d reads for five queries that the block covers, tight: %v", s.reads-reads, k.block.tight)
		}
		if _, err := k.Take(t.Context(), Limits{BudgetUSD: 1}, Query{CostUSD: costUSD}); !errors.Is(err, ErrConcurrency) {
			t.Errorf("overflow that was turned off: %v", err)
		}
		<-time.After(longTime)
		take(t, k, l)
		if s.reads != reads+1 {
			t.Errorf("%d reads after the block's time, want 1", s.reads-reads)
		}
	})
}

// A process that ends leaves nothing taken but what its queries cost.
func TestNothingStaysTakenAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1)
		k, l := s.taker(0), Limits{BudgetUSD: 1, Concurrency: 1000}
		withinAnHour()
		for range 3 {
			take(t, k, l).Done(costUSD)
		}
		k.Close(t.Context())
		state, err := decode(s.value)
		if err != nil || state.held() != 0 || state.Spent != 3*pico(costUSD) {
			t.Errorf("%+v is left, error %v", state, err)
		}
	})
}

// Where nearly everything is free, a process that has a query every ten seconds
// asks every ten minutes; where more is taken, or a limit has changed, it asks
// again for each.
func TestOneQueryNowAndThenDoesNotAskForEach(t *testing.T) {
	unlimited := Limits{BudgetUSD: math.Inf(1), Concurrency: 100}
	for _, tc := range []struct {
		name   string
		limits func(query int) Limits
		held   int // by others
		most   int // reads
	}{
		{"nearly all is free", func(int) Limits { return unlimited }, 0, 8},
		{"of a budget, too", func(int) Limits { return Limits{BudgetUSD: 1, Concurrency: 100} }, 0, 8},
		{"an eighth is taken", func(int) Limits { return unlimited }, 12, 360},
		{"until an eighth of the budget is taken", func(int) Limits { return Limits{BudgetUSD: 1600 * costUSD, Concurrency: 100} }, 0, 170},
		{"limits that change", func(i int) Limits { return Limits{BudgetUSD: math.Inf(1), Concurrency: 100 + i} }, 0, 360},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(1)
			k, other := s.taker(0), s.taker(0)
			withinAnHour()
			for range tc.held {
				if _, err := other.Take(t.Context(), unlimited, Query{CostUSD: costUSD, Hold: 2 * time.Hour}); err != nil {
					t.Fatal(err)
				}
			}
			before := s.reads
			for i := range 360 {
				take(t, k, tc.limits(i)).Done(costUSD)
				<-time.After(10 * time.Second)
			}
			if n := s.reads - before; n > tc.most || n < tc.most/2 {
				t.Errorf("%s: %d reads in an hour, want about %d", tc.name, n, tc.most)
			}
		})
	}
}

// Money is of the hour that it was taken in, a place of the time that it is
// leased for.
func TestNoLeaseIsStretched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		s, l := newStore(1), Limits{BudgetUSD: 1, Concurrency: 1000}
		k := s.taker(time.Until(next.Add(-5 * time.Second)))
		for range 2 { // the second takes a block
			take(t, k, l).Done(costUSD)
		}
		before := take(t, k, l)
		before.Done(costUSD)
		<-time.After(6 * time.Second)
		after := take(t, k, l)
		if after.hour != before.hour+1 {
			t.Errorf("a query of hour %d is paid by hour %d", before.hour+1, after.hour)
		}
		after.Done(0) // its place is idle, and does not last
		long, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Minute})
		if err != nil || time.Unix(long.endS, 0).Before(k.o.Now().Add(time.Minute)) {
			t.Errorf("a query of a minute has a place until %d, error %v", long.endS, err)
		}
	})
}

// What a query of the hour before gives back, while the new hour's money is
// being taken, is none of that.
func TestMoneyIsNotCarriedIntoTheNextHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		s, l := newStore(1), Limits{BudgetUSD: 10 * costUSD, Concurrency: 8}
		k := s.taker(time.Until(next.Add(-time.Second)))
		old := take(t, k, l)
		<-time.After(next.Sub(k.o.Now()) - time.Microsecond)
		done := make(chan *Lease)
		go func() { done <- take(t, k, l) }()
		synctest.Wait() // the change has begun, and reads
		old.Done(0)
		if lease := <-done; lease.hour != old.hour+1 || k.block.money != 0 {
			t.Errorf("hour %d paid, %d pUSD are held", lease.hour, k.block.money)
		}
	})
}

func TestARefusalIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			limits Limits
			want   error
			lasts  time.Duration
		}{
			{Limits{BudgetUSD: costUSD, Concurrency: 8}, ErrBudget, spentTime},
			{Limits{BudgetUSD: 1, Concurrency: 1}, ErrConcurrency, fullTime},
		} {
			s := newStore(1)
			k := s.taker(0)
			take(t, k, tc.limits)
			reads := s.reads
			for range 3 {
				if _, err := k.Take(t.Context(), tc.limits, Query{CostUSD: costUSD, Hold: time.Second}); !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			}
			if s.reads != reads+1 {
				t.Errorf("%d reads for three refusals", s.reads-reads)
			}
			<-time.After(tc.lasts)
			take(t, k, Limits{BudgetUSD: 1, Concurrency: 8}) // of other limits nothing is remembered
		}
	})
}

// Without the State there is no lease, and nothing that is held is lost.
func TestNoLeaseWithoutTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1)
		k, l := s.taker(0), Limits{BudgetUSD: 1, Concurrency: 8}
		first := take(t, k, l)
		s.down = true
		if _, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Second}); !errors.Is(err, ErrUnknown) {
			t.Errorf("error %v, want ErrUnknown", err)
		}
		first.Done(0)
		first.Done(0) // twice is once
		take(t, k, l) // on the place and the money of the first
		s.down, s.value, s.version = false, []byte("{"), s.version+1
		<-time.After(fullTime)
		if _, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Second}); !errors.Is(err, ErrUnknown) {
			t.Errorf("a damaged state: %v, want ErrUnknown", err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		defer func() { <-time.After(changeTime) }() // for the change that it began
		<-time.After(fullTime)
		if _, err := k.Take(short, l, Query{CostUSD: costUSD, Hold: time.Second}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that ended: %v", err)
		}
	})
}

// What queries cost besides what was expected is taken from the budget.
func TestTheBudgetPaysWhatWasCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1)
		k, l := s.taker(0), Limits{BudgetUSD: 10 * costUSD, Concurrency: 8}
		withinAnHour()
		a, b, c := take(t, k, l), take(t, k, l), take(t, k, l)
		a.Done(5 * costUSD)
		b.Done(0)
		c.Leave()
		if c.Done(costUSD) {
			t.Error("a lease that was left has an end")
		}
		k.Flush(t.Context())
		state, err := decode(s.value)
		if err != nil || state.Spent != pico(6*costUSD) || state.held() != 1 {
			t.Errorf("%d spent and %d held, error %v; want 6 costs and the place that was left", state.Spent, state.held(), err)
		}
	})
}

// A query that cost more than was taken for it, and ends while another asks, leaves
// the other short of money that there is enough of: it asks again, and is not refused.
func TestAnExpensiveQueryRefusesNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		budgetUSD float64
		want      error
	}{"without a limit": {math.Inf(1), nil}, "with enough": {100 * costUSD, nil}, "with too little": {5 * costUSD, ErrBudget}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(1)
				k, l := s.taker(0), Limits{BudgetUSD: tc.budgetUSD, Concurrency: 8}
				withinAnHour()
				first := take(t, k, l)
				done := make(chan error, 1)
				go func() {
					_, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Second})
					done <- err
				}()
				synctest.Wait() // it asks
				first.Done(5 * costUSD)
				if err := <-done; !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			})
		})
	}
}

// Of queries that want more places than there are, those without one are short of
// places and not of money, also when one that runs ends at that moment.
func TestTooFewPlacesAreNoBudgetThatIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1)
		k, l := s.taker(0), Limits{BudgetUSD: math.Inf(1), Concurrency: 2}
		withinAnHour()
		first := take(t, k, l)
		var errs []error
		done := make(chan error)
		for range 4 {
			go func() {
				_, err := k.Take(t.Context(), l, Query{CostUSD: costUSD, Hold: time.Second})
				done <- err
			}()
		}
		synctest.Wait() // they ask
		first.Done(costUSD)
		for range 4 {
			if err := <-done; err != nil {
				errs = append(errs, err)
			}
		}
		for _, err := range errs {
			if !errors.Is(err, ErrConcurrency) {
				t.Errorf("error %v, want %v", err, ErrConcurrency)
			}
		}
		if len(errs) != 2 {
			t.Errorf("%d of 4 got none of the 2 places", len(errs))
		}
	})
}
