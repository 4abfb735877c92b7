package limits

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var (
	errConflict = errors.New("changed meanwhile")
	errLost     = errors.New("no answer")
)

// store keeps one value, at a distance.
type store struct {
	mu      sync.Mutex
	random  *rand.Rand
	value   []byte
	version int64
	reads   int
	writes  int
	stored  int
	lose    float64 // share of the answers to writes that are lost
	lost    int     // of writes that were stored
	down    bool
}

func (s *store) travel() {
	s.mu.Lock()
	d := time.Millisecond + time.Duration(s.random.Int64N(int64(9*time.Millisecond)))
	s.mu.Unlock()
	<-time.After(d)
}

func (s *store) ReadShared(context.Context, string) ([]byte, int64, error) {
	s.travel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.down {
		return nil, 0, errLost
	}
	return s.value, s.version, nil
}

func (s *store) SwapShared(_ context.Context, _ string, value []byte, version int64) (int64, error) {
	s.travel()
	s.mu.Lock()
	s.writes++
	lost, current := s.random.Float64() < s.lose, s.version == version
	if current && !(lost && s.random.IntN(2) == 0) {
		s.value, s.version = value, version+1
		s.stored++
		if lost {
			s.lost++
		}
	}
	s.mu.Unlock()
	s.travel()
	switch {
	case lost:
		return 0, errLost
	case !current:
		return 0, errConflict
	}
	return version + 1, nil
}

func newStore(seed uint64) *store { return &store{random: rand.New(rand.NewPCG(seed, 1))} }

func (s *store) taker(skew time.Duration) *Taker {
	return NewTaker(Options{
		Store: s, Name: "overflow", Conflict: errConflict, Now: func() time.Time { return time.Now().Add(skew) },
		Jitter: func(limit time.Duration) time.Duration {
			s.mu.Lock()
			defer s.mu.Unlock()
			return time.Duration(s.random.Int64N(int64(limit)))
		},
	})
}

const costUSD = 2e-5

// stage is a store with processes whose clocks differ.
type stage struct {
	*store
	takers []*Taker
	dead   []bool

	mu      sync.Mutex
	through map[int64]int // queries let through, by the hour that paid
	running int
	most    int
}

func newStage(seed uint64, processes int) *stage { return newStageAhead(seed, processes, 0) }

// newStageAhead has clocks that are ahead of the bubble's.
func newStageAhead(seed uint64, processes int, ahead time.Duration) *stage {
	s := &stage{store: newStore(seed), dead: make([]bool, processes), through: map[int64]int{}}
	for range processes {
		s.takers = append(s.takers, s.taker(ahead+time.Duration(s.random.Int64N(int64(maxSkew)))-maxSkew/2))
	}
	return s
}

// run asks for one query in a process and, if it may, runs it. The function of a
// process that died runs on.
func (s *stage) run(p int, l Limits, takes time.Duration) bool {
	if s.isDead(p) {
		return false
	}
	lease, err := s.takers[p].Take(context.Background(), l, Query{CostUSD: costUSD, Hold: 5 * time.Second})
	if err != nil {
		return false
	}
	s.mu.Lock()
	s.through[lease.hour]++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	<-time.After(takes)
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	if s.isDead(p) {
		return true
	}
	if lease.Done(costUSD) {
		s.takers[p].Flush(context.Background())
	}
	return true
}

func (s *stage) isDead(p int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead[p]
}

// crowd runs queries at random times within a span, in random processes, some of
// which die meanwhile, and returns once all have ended.
func (s *stage) crowd(queries int, span time.Duration, deaths int, l Limits) {
	var all sync.WaitGroup
	for range queries {
		p, at, takes := s.random.IntN(len(s.takers)), time.Duration(s.random.Int64N(int64(span))), time.Duration(s.random.Int64N(int64(5*time.Second)))
		all.Go(func() {
			<-time.After(at)
			s.run(p, l, takes)
		})
	}
	for range deaths {
		p, at := s.random.IntN(len(s.takers)), time.Duration(s.random.Int64N(int64(span)))
		all.Go(func() {
			<-time.After(at)
			s.mu.Lock()
			s.dead[p] = true
			s.mu.Unlock()
		})
	}
	all.Wait()
}

// inBubble checks a property with time that passes when all wait.
func inBubble(t *testing.T, property func(rt *rapid.T)) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, property) // less the test's deadline, which no bubble has
	})
}

// withinAnHour waits until no hour begins for as long as a test takes.
func withinAnHour() {
	hour := time.Now().Truncate(time.Hour)
	switch past := time.Since(hour); {
	case past < time.Minute:
		<-time.After(time.Minute)
	case past > 50*time.Minute:
		<-time.After(61*time.Minute - past)
	}
}

// A budget for ten queries never lets eleven through, and lets nine through at
// least, in forty processes that ask at random times and die at random times.
func TestABudgetForTen(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		s := newStage(rapid.Uint64().Draw(rt, "seed"), 40)
		withinAnHour()
		span := time.Duration(rapid.IntRange(1, 60_000).Draw(rt, "span ms")) * time.Millisecond
		l := Limits{BudgetUSD: 10 * costUSD, Concurrency: rapid.SampledFrom([]int{8, 1000}).Draw(rt, "concurrency")}
		s.crowd(rapid.IntRange(30, 120).Draw(rt, "queries"), span, rapid.IntRange(0, 10).Draw(rt, "deaths"), l)
		<-time.After(20 * time.Second) // what is held by the dead ends
		for p := range s.takers {
			s.run(p, l, time.Millisecond) // more than enough ask
		}
		if n := s.through[hourOf(time.Now())]; n > 10 || n < 9 {
			rt.Fatalf("%d queries were let through", n)
		}
	})
}

// However large the budget, no query is let through that it does not pay for,
// and while nobody dies none is lost that it pays for.
func TestABudgetIsUsedUp(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		s := newStage(rapid.Uint64().Draw(rt, "seed"), 10)
		withinAnHour()
		n := rapid.IntRange(1, 400).Draw(rt, "budget in queries")
		l := Limits{BudgetUSD: float64(n) * costUSD, Concurrency: 1000}
		s.crowd(500, 30*time.Second, 0, l)
		<-time.After(15 * time.Second)
		for _, k := range s.takers {
			k.Flush(context.Background())
		}
		for p := range s.takers {
			for s.run(p, l, time.Millisecond) {
			}
		}
		if got := s.through[hourOf(time.Now())]; got > n || got < n-1 {
			rt.Fatalf("%d queries were let through by a budget for %d", got, n)
		}
	})
}

// A new hour has the whole budget, and neither hour more, although clocks differ
// about when it begins.
func TestEachHourHasItsBudget(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		s := newStageAhead(rapid.Uint64().Draw(rt, "seed"), 20, time.Until(next.Add(-10*time.Second)))
		s.crowd(150, 20*time.Second, 0, Limits{BudgetUSD: 10 * costUSD, Concurrency: 1000})
		for hour, n := range s.through {
			if n > 10 || n < 9 {
				rt.Fatalf("%d queries were let through in hour %d", n, hour)
			}
		}
		if len(s.through) != 2 {
			rt.Fatalf("queries were let through in %d hours", len(s.through))
		}
	})
}

// Never more queries run than may, also when processes die, clocks differ and
// answers of the store are lost; and what the dead held comes back.
func TestConcurrencyIsKept(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		s := newStage(rapid.Uint64().Draw(rt, "seed"), 40)
		s.lose = rapid.SampledFrom([]float64{0, 0.1}).Draw(rt, "lost answers")
		l := Limits{BudgetUSD: math.Inf(1), Concurrency: rapid.SampledFrom([]int{1, 8, 100, 300}).Draw(rt, "concurrency")}
		s.crowd(400, 20*time.Second, rapid.IntRange(0, 20).Draw(rt, "deaths"), l)
		if s.most > l.Concurrency {
			rt.Fatalf("%d queries ran at once of %d", s.most, l.Concurrency)
		}
		<-time.After(5*time.Second + blockTime + 2*maxSkew + time.Second)
		s.lose = 0
		var all sync.WaitGroup
		var refused atomic.Int64
		for range l.Concurrency {
			all.Go(func() {
				if _, err := s.takers[0].Take(context.Background(), l, Query{CostUSD: costUSD, Hold: time.Second}); err != nil {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if n := refused.Load(); n > 0 {
			rt.Fatalf("%d of %d places did not come back", n, l.Concurrency)
		}
	})
}

// Answers that are lost lose money, and never make any.
func TestLostAnswersMakeNoMoney(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		s := newStage(rapid.Uint64().Draw(rt, "seed"), 20)
		s.lose = 0.3
		withinAnHour()
		n := rapid.IntRange(5, 200).Draw(rt, "budget in queries")
		s.crowd(300, 20*time.Second, 0, Limits{BudgetUSD: float64(n) * costUSD, Concurrency: 1000})
		if got := s.through[hourOf(time.Now())]; got > n {
			rt.Fatalf("%d queries were let through by a budget for %d", got, n)
		}
	})
}

// What the package's documentation says that a query costs in writes.
func TestFewWritesAreNeeded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits Limits
		most   float64 // writes a query
	}{
		{"much is free", Limits{BudgetUSD: 10, Concurrency: 1000}, 0.15},
		{"little is free", Limits{BudgetUSD: 10, Concurrency: 60}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(1, 40)
			withinAnHour()
			const queries = 3000 // 50 a second
			var all sync.WaitGroup
			var refused atomic.Int64
			for i := range queries {
				p := s.random.IntN(len(s.takers))
				all.Go(func() {
					<-time.After(time.Duration(i) * time.Minute / queries)
					if !s.run(p, tc.limits, 300*time.Millisecond) {
						refused.Add(1) // others changed the state ten times meanwhile
					}
				})
			}
			all.Wait()
			stored, tried := float64(s.stored)/queries, float64(s.writes)/queries
			t.Logf("%s: %.3f writes a query, %.3f with those that met others', %.3f reads", tc.name, stored, tried, float64(s.reads)/queries)
			if n := refused.Load(); stored > tc.most || n > queries/100 {
				t.Errorf("%s: %.3f writes a query, want at most %v; %d of %d were refused", tc.name, stored, tc.most, n, queries)
			}
		})
	}
}

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
		<-time.After(blockTime)
		take(t, k, l)
		if s.reads != reads+1 {
			t.Errorf("%d reads after the block's time, want 1", s.reads-reads)
		}
	})
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
		state, err := Decode(s.value)
		if err != nil || state.Spent != pico(6*costUSD) || state.held() != 1 {
			t.Errorf("%d spent and %d held, error %v; want 6 costs and the place that was left", state.Spent, state.held(), err)
		}
	})
}
