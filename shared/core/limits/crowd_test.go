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

func (s *store) travel() { <-time.After(time.Millisecond + s.within(9*time.Millisecond)) }

// within draws a time below a limit.
func (s *store) within(limit time.Duration) time.Duration { return time.Duration(s.below(int(limit))) }

func (s *store) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
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
		Jitter: s.within,
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
		s.takers = append(s.takers, s.taker(ahead+s.within(maxSkew)-maxSkew/2))
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
		p, at, takes := s.below(len(s.takers)), s.within(span), s.within(5*time.Second)
		all.Go(func() {
			<-time.After(at)
			s.run(p, l, takes)
		})
	}
	for range deaths {
		p, at := s.below(len(s.takers)), s.within(span)
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
		n := rapid.IntRange(1, 300).Draw(rt, "budget in queries")
		l := Limits{BudgetUSD: float64(n) * costUSD, Concurrency: 1000}
		s.crowd(250, 15*time.Second, 0, l)
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
		s.crowd(200, 10*time.Second, rapid.IntRange(0, 20).Draw(rt, "deaths"), l)
		if s.most > l.Concurrency {
			rt.Fatalf("%d queries ran at once of %d", s.most, l.Concurrency)
		}
		s.lose = 0
		for _, tc := range []struct {
			after time.Duration
			held  int // at most, by processes that do not use them
		}{{5*time.Second + blockTime, l.Concurrency/roomyShare + l.Concurrency/spareShare}, {longTime, 0}} {
			<-time.After(tc.after + 2*maxSkew + time.Second)
			if n := s.refused(l.Concurrency, l); n > tc.held {
				rt.Fatalf("%d of %d places did not come back", n, l.Concurrency)
			}
		}
	})
}

// refused is how many of the queries that begin at once, in one process, may
// not run.
func (s *stage) refused(queries int, l Limits) int {
	var all sync.WaitGroup
	var refused atomic.Int64
	for range queries {
		all.Go(func() {
			lease, err := s.takers[0].Take(context.Background(), l, Query{CostUSD: costUSD, Hold: 20 * time.Second})
			if err != nil {
				refused.Add(1)
				return
			}
			<-time.After(15 * time.Second)
			lease.Done(costUSD)
		})
	}
	all.Wait()
	return int(refused.Load())
}

// Answers that are lost lose money, and never make any.
func TestLostAnswersMakeNoMoney(t *testing.T) {
	inBubble(t, func(rt *rapid.T) {
		s := newStage(rapid.Uint64().Draw(rt, "seed"), 20)
		s.lose = 0.3
		withinAnHour()
		n := rapid.IntRange(5, 200).Draw(rt, "budget in queries")
		s.crowd(200, 15*time.Second, 0, Limits{BudgetUSD: float64(n) * costUSD, Concurrency: 1000})
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
				p := s.below(len(s.takers))
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
