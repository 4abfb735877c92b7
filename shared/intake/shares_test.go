package intake

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// slowStage is a stage of one runner and one function, each of which answers a query in
// a second, behind forty processes that take queries in.
type slowStage struct {
	testService
	all   crowd
	turn  int
	taken map[string]int          // by owner
	kinds map[string]map[Kind]int // of refusals, by owner
}

func newSlowStage(t *testing.T) *slowStage {
	set := settings.Defaults()
	set.MaxOverflowConcurrency, set.OverflowPathMS = 1, 0
	d, all := newCrowd(t, 40, func(c *Config) {
		slow := catalogue()
		for i := range slow.Models[0].Latency {
			slow.Models[0].Latency[i].MS.P50, slow.Models[0].Latency[i].MS.P95, slow.Models[0].Latency[i].MS.P99 = 1000, 1000, 1000
		}
		c.Catalogue, c.Settings = slow, func() settings.Settings { return set }
	})
	return &slowStage{testService: d, all: all, taken: map[string]int{}, kinds: map[string]map[Kind]int{}}
}

// take has the next process take a strict query of an owner in, who does not wait.
func (s *slowStage) take(t *testing.T, owner string) {
	t.Helper()
	r := request(1500)
	r.Class = query.Strict
	s.turn++
	_, err := s.all[s.turn%len(s.all)].Take(t.Context(), owner, r, Terms{})
	var no *Refusal
	switch {
	case errors.As(err, &no):
		if no.RetryAfter < time.Second {
			t.Errorf("refused until %v", no.RetryAfter)
		}
		if s.kinds[owner] == nil {
			s.kinds[owner] = map[Kind]int{}
		}
		s.kinds[owner][no.Kind]++
	case err != nil:
		t.Fatal(err)
	default:
		s.taken[owner]++
	}
}

// second lets a second pass: the runner and the function answer one query each, and the
// controller publishes how the pool stands.
func (s *slowStage) second(t *testing.T) {
	t.Helper()
	s.clock.advance(time.Second)
	work := platform.WorkQueue("general", query.Strict)
	for _, from := range []platform.QueueName{work, platform.Overflow} {
		ds, err := s.Backend.Queues.Receive(t.Context(), from, 1, time.Hour, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if s.clock.now().After(d.Message.ExpiresAt) {
				t.Errorf("a query of %s on %s was taken in, and expired %v ago", d.Message.Owner, from, s.clock.now().Sub(d.Message.ExpiresAt))
			}
		}
		if err := s.Backend.Queues.Delete(t.Context(), ds...); err != nil {
			t.Fatal(err)
		}
	}
	depth, err := s.Backend.Queues.Depth(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	s.publishPool(t, placement.Pool{Workers: 1, Runners: 1, StrictMS: 1000 * float64(depth.Visible)})
}

// A caller who sends five times what the whole stage can answer is refused at once what
// would expire, by forty processes as by one; nothing that was taken in expires; and
// a caller who sends a tenth of that is taken in always.
func TestACallerBeyondAllCapacityIsRefused(t *testing.T) {
	s := newSlowStage(t)
	s.second(t)
	for sec := range 150 {
		for range 10 {
			s.take(t, "loud")
		}
		if sec >= 40 && sec%5 == 0 {
			s.take(t, "quiet")
		}
		if sec == 39 && (s.kinds["loud"][NoCapacity] == 0 || s.kinds["loud"][OverOwnerLimit] != 0) {
			t.Errorf("alone it is refused as %v", s.kinds["loud"])
		}
		s.second(t)
	}
	for range 60 {
		s.second(t) // what was taken in last ends, too
	}
	if n := s.kinds["quiet"]; n != nil {
		t.Errorf("the quiet caller was refused: %v", n)
	}
	if n := s.taken["loud"]; n < 300 || n > 400 { // 2 a second, and the 60 that wait
		t.Errorf("%d queries of the loud caller were taken in", n)
	}
	if s.kinds["loud"][OverOwnerLimit] == 0 {
		t.Errorf("with another caller it is refused as %v", s.kinds["loud"])
	}
}

// Owners who send more than their share leave a quarter of the places on functions to
// the others, through whichever of forty processes they come.
func TestALoudCallerLeavesPlacesOnFunctions(t *testing.T) {
	d, all := newCrowd(t, 40, nil) // of eight places
	submissionOf := func(owner string, of ownerShare) *submission {
		q, err := d.prepare(t.Context(), owner, strictly(), Terms{Wait: time.Second}, settings.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		q.share = of
		return q
	}
	taken := map[string]int{}
	var held []onFunctions
	for _, owner := range []string{"loud", "quiet"} {
		for _, s := range all {
			q := submissionOf(owner, ownerShare{over: owner == "loud", others: true})
			l, err := s.take(t.Context(), q)
			switch {
			case err == nil:
				held = append(held, l)
				taken[owner]++
			case !errors.Is(err, limits.ErrConcurrency):
				t.Fatal(err)
			}
		}
	}
	if taken["loud"] != 6 || taken["quiet"] != 2 {
		t.Errorf("of eight places %v", taken)
	}
	for _, l := range held {
		l.giveBack(t.Context(), 0)
	}
	d.clock.advance(time.Second) // a refusal is kept for a moment
	if _, err := all[0].take(t.Context(), submissionOf("loud", ownerShare{over: true, others: true})); err != nil {
		t.Errorf("places that were given back: %v", err)
	}
}

// An owner is over its share with more than one part in F+1 of the last queries, F being
// the owners that sent them.
func TestOwnerShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s ownerShares
		of := map[string]int{}
		names := rapid.SliceOfN(rapid.StringMatching("[a-d]"), 1, 60).Draw(t, "owners")
		for i, owner := range names {
			of[owner]++
			got := s.add(start, owner)
			want := ownerShare{over: of[owner]*(len(of)+1) > i+1, others: len(of) > 1}
			if got != want {
				t.Fatalf("%v: %+v, want %+v", names[:i+1], got, want)
			}
		}
		if got := s.add(start.Add(shareTime), "e"); !got.others { // those before count still
			t.Fatalf("a new owner: %+v", got)
		}
		if got := s.add(start.Add(4*shareTime), "a"); got != (ownerShare{over: true}) {
			t.Fatalf("long after: %+v", got)
		}
	})
}

// An owner above its share waits, late as it is, only where it disturbs nobody: alone, with a
// relaxed query, or without anybody who waits for the answer.
func TestLateQueriesOfALoudCaller(t *testing.T) {
	d, _ := newCrowd(t, 1, nil)
	alone, among := ownerShare{over: true}, ownerShare{over: true, others: true}
	for name, tc := range map[string]struct {
		class query.Class
		wait  time.Duration
		share ownerShare
		until func(q *submission) time.Time
	}{
		"within its share":            {query.Strict, time.Second, ownerShare{others: true}, expires},
		"above it, alone":             {query.Strict, time.Second, alone, halfway},
		"above it, with others":       {query.Strict, time.Second, among, func(q *submission) time.Time { return q.m.DeadlineAt }},
		"above it, relaxed":           {query.Relaxed, time.Second, among, halfway},
		"above it, and nobody waits":  {query.Strict, 0, among, halfway},
		"within it, and nobody waits": {query.Strict, 0, ownerShare{others: true}, expires},
	} {
		r := request(10_000)
		r.Class = tc.class
		q, err := d.prepare(t.Context(), "loud", r, Terms{Wait: tc.wait}, settings.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		q.share = tc.share
		if got, want := q.answeredBy(), tc.until(q); !got.Equal(want) {
			t.Errorf("%s: until %v after it came, want %v", name, got.Sub(q.m.AcceptedAt), want.Sub(q.m.AcceptedAt))
		}
	}
}

func expires(q *submission) time.Time { return q.m.ExpiresAt }

func halfway(q *submission) time.Time {
	return q.m.AcceptedAt.Add(q.m.ExpiresAt.Sub(q.m.AcceptedAt) / 2)
}

// An owner whose queries find a slot at once has none of those that count for shares, and is
// there all the same.
func TestAnOwnerWithSlotsIsAnother(t *testing.T) {
	var s ownerShares
	for i := range 3 {
		s.came(start, "quiet")
		s.came(start, "loud")
		if got := s.add(start, "loud"); got != (ownerShare{over: true, others: true, shared: true}) {
			t.Errorf("query %d: %+v", i, got)
		}
	}
	if got := s.add(start.Add(time.Hour), "loud"); got.others {
		t.Errorf("an hour later: %+v", got)
	}
}
