package feedback

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// rivals are a cheap model of 92 % and a more expensive one of 94 %.
func rivals() *profile.Catalogue {
	model := func(name string, ms, top1 float64) profile.Model {
		return profile.Model{
			Name: name, Task: "task", MemoryMB: 100, Accuracy: profile.Accuracy{Top1Percent: top1},
			Latency: []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}}},
		}
	}
	return &profile.Catalogue{
		Tasks: []profile.Task{{Name: "task"}}, Models: []profile.Model{model("cheap", 10, 92), model("dear", 20, 94)},
		Instances: []profile.Instance{{Type: "vm", VCPUs: 2, MemoryMB: 4096, USDPerHour: 0.085, Speed: 1}},
	}
}

// world votes on what selection chooses, each answer right with its model's
// true probability, one query a second.
type world struct {
	book  Book
	rules Rules
	offer selection.Offer
	truth map[string]float64
	rand  *rand.Rand
	now   time.Time
}

func newWorld(seed uint64) *world {
	c := rivals()
	return &world{
		rules: Rules{PriorVotes: 100, HalfLife: time.Hour, OwnerShare: 0.2},
		offer: selection.Offer{Catalogue: c, Table: selection.NewTable(c, "", "vm"), InstanceType: "vm", Runners: 2},
		truth: map[string]float64{"cheap": 0.92, "dear": 0.94},
		rand:  rand.New(rand.NewPCG(seed, 1)), now: start,
	}
}

// step asks one query for at least 88 % and returns the model that selection
// prefers now. One in a hundred explores.
func (w *world) step(t *testing.T) string {
	t.Helper()
	w.now = w.now.Add(time.Second)
	n := query.Need{Task: "task", Constraints: query.Constraints{LatencyMS: 500, Accuracy: 88}}
	w.offer.Accuracy = w.book.Accuracy(w.rules, w.offer.Catalogue, w.now, nil)
	preferred, _, err := selection.Pick(n, w.offer)
	if err != nil {
		t.Fatal(err)
	}
	ran, _, err := selection.Explore(n, w.offer, 0.01, w.rand.Float64, w.rand.IntN)
	if err != nil {
		t.Fatal(err)
	}
	w.book.Add(w.rules, Vote{
		Task: "task", Model: ran.Model, Owner: fmt.Sprintf("owner-%d", w.rand.IntN(10)),
		Correct: w.rand.Float64() < w.truth[ran.Model], At: w.now,
	})
	return preferred.Model
}

// until steps until selection prefers a model, and returns how many steps it took.
func (w *world) until(t *testing.T, model string, most int) int {
	t.Helper()
	for i := range most {
		if w.step(t) == model {
			return i
		}
	}
	t.Fatalf("selection did not turn to %s within %d votes", model, most)
	return 0
}

// The promise of docs/selection.md.
const (
	votesToLeave  = 500
	votesToReturn = 4 * 3600 // four half-lives at one vote a second
)

func TestAModelTenPointsBelowItsProfileIsLeftAndTakenBack(t *testing.T) {
	longestAway, longestBack := 0, 0
	for seed := range uint64(20) {
		w := newWorld(seed)
		w.until(t, "cheap", 1)
		w.truth["cheap"] = 0.82
		longestAway = max(longestAway, w.until(t, "dear", votesToLeave))
		for range 1000 {
			w.step(t) // it stays bad for a while
		}
		w.truth["cheap"] = 0.92
		longestBack = max(longestBack, w.until(t, "cheap", votesToReturn))
	}
	t.Logf("left within %d votes, taken back within %d, over 20 seeds", longestAway, longestBack)
}

func TestDriftIsNoticed(t *testing.T) {
	w := newWorld(1)
	for i := range 400 {
		w.now = w.now.Add(time.Second)
		w.book.Add(w.rules, Vote{
			Task: "task", Model: "cheap", Owner: fmt.Sprint(i % 10), Correct: w.rand.Float64() < 0.82, At: w.now,
		})
	}
	d := w.book.Drifts(w.rules, w.offer.Catalogue, w.now)
	if len(d) != 1 || d[0].Model != "cheap" || d[0].Points > -4 {
		t.Errorf("%+v", d)
	}
	calm := newWorld(2)
	for range 2000 {
		calm.step(t)
	}
	if d := calm.book.Drifts(calm.rules, calm.offer.Catalogue, calm.now); len(d) != 0 {
		t.Errorf("drift where there is none: %+v", d)
	}
}

// However much one owner lies, the estimate is no farther from the profile
// than without him.
func TestOneCallerCannotPoisonIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rules{PriorVotes: 100, HalfLife: time.Hour, OwnerShare: rapid.Float64Range(0.05, 0.9).Draw(t, "share")}
		top1 := rapid.Float64Range(20, 99).Draw(t, "top1")
		var honest []Tally
		for range rapid.IntRange(0, 8).Draw(t, "owners") {
			honest = append(honest, Tally{
				Right: float64(rapid.IntRange(0, 500).Draw(t, "right")), Wrong: float64(rapid.IntRange(0, 500).Draw(t, "wrong")), At: start,
			})
		}
		liar := Tally{Wrong: 1e9, At: start}
		if rapid.Bool().Draw(t, "praise") {
			liar.Right, liar.Wrong = liar.Wrong, 0
		}
		alone := r.Posterior(top1, []Tally{liar}, start)
		if math.Abs(alone.Percent()-top1) > 1e-6 {
			t.Fatalf("alone he moves %v to %v", top1, alone.Percent())
		}
		if len(honest) == 0 {
			return
		}
		all := r.Posterior(top1, append(honest, liar), start)
		loose := r
		loose.OwnerShare = 1 // what the others say, each in full
		far := 0.0
		for _, h := range honest {
			p := loose.Posterior(top1, []Tally{{Right: h.Right * 1e9, Wrong: h.Wrong * 1e9, At: start}}, start)
			far = max(far, math.Abs(p.Percent()-top1))
		}
		if math.Abs(all.Percent()-top1) > far+1e-6 {
			t.Fatalf("%v became %v, farther than any of the others says (%v)", top1, all.Percent(), far)
		}
	})
}

func TestTheLimitOfAnOwnerIsItsShare(t *testing.T) {
	r := Rules{PriorVotes: 100, OwnerShare: 0.2}
	tallies := []Tally{{Right: 1000}, {Right: 10}, {Wrong: 5}}
	limit := r.ownerLimit(100, tallies)
	if total := 100 + limit + 15; math.Abs(limit-0.2*total) > 1e-9 {
		t.Errorf("limit %v of %v", limit, total)
	}
}

func TestVotesFadeToTheProfile(t *testing.T) {
	r := DefaultRules()
	var b Book
	for i := range 400 {
		b.Add(r, Vote{Task: "task", Model: "cheap", Owner: fmt.Sprint(i % 8), At: start})
	}
	m := &rivals().Models[0]
	before := b.Posterior(r, m, start).Percent()
	after := b.Posterior(r, m, start.Add(20*r.HalfLife)).Percent()
	if before > 40 || math.Abs(after-92) > 0.01 {
		t.Errorf("%v, then %v", before, after)
	}
	if got := b.Posterior(r, m, start.Add(-time.Hour)).Percent(); math.Abs(got-before) > 1e-9 {
		t.Errorf("a clock that steps back: %v, not %v", got, before)
	}
}

func TestThompsonSamplingVariesWithWhatIsUnknown(t *testing.T) {
	src := rand.NewPCG(1, 2)
	spread := func(p Posterior) float64 {
		low, high := 100.0, 0.0
		for range 500 {
			x := p.Sample(src)
			low, high = min(low, x), max(high, x)
		}
		return high - low
	}
	little, much := spread(Posterior{Right: 9, Wrong: 1}), spread(Posterior{Right: 9000, Wrong: 1000})
	if little < 10*much/2 {
		t.Errorf("spread %v with 10 votes, %v with 10,000", little, much)
	}
}

func TestVoteOn(t *testing.T) {
	yes := true
	done := query.Record{
		Owner: "me", Model: "cheap", State: query.Succeeded, Need: query.Need{Task: "task"},
		Outcome: &query.Outcome{Result: &query.Result{Label: "bag"}},
	}
	pending := done
	pending.State = query.Accepted
	labels := []string{"bag", "shirt"}
	for _, tt := range []struct {
		name    string
		record  query.Record
		owner   string
		opinion Opinion
		correct bool
		err     error
	}{
		{"right", done, "me", Opinion{Correct: &yes}, true, nil},
		{"the same label", done, "me", Opinion{Label: "bag"}, true, nil},
		{"another label", done, "me", Opinion{Label: "shirt"}, false, nil},
		{"no label of it", done, "me", Opinion{Label: "cat"}, false, ErrNoLabel},
		{"a stranger", done, "you", Opinion{Correct: &yes}, false, ErrNotYours},
		{"not answered", pending, "me", Opinion{Correct: &yes}, false, ErrNoAnswer},
	} {
		v, err := VoteOn(tt.record, tt.owner, tt.opinion, labels, start)
		if !errors.Is(err, tt.err) || v.Correct != tt.correct {
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		}
	}
	for _, o := range []Opinion{{}, {Correct: &yes, Label: "bag"}} {
		if _, err := VoteOn(done, "me", o, labels, start); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestTheBookIsBounded(t *testing.T) {
	var b Book
	r := DefaultRules()
	for i := range maxTallies + 5 {
		b.Add(r, Vote{Task: "task", Model: "cheap", Owner: fmt.Sprint(i), Correct: true, At: start.Add(time.Duration(i) * time.Second)})
	}
	if len(b.Tallies) != maxTallies || b.Tallies[0].Owner != "5" {
		t.Errorf("%d tallies, the first of %s", len(b.Tallies), b.Tallies[0].Owner)
	}
}
