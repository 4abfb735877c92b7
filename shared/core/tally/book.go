package tally

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Observation is how one query ended.
type Observation struct {
	Owner      string      // whose query it was; empty counts it for no owner
	State      query.State // terminal
	Callers    bool        // it failed by its caller's fault
	Met        bool        // answered within its bound
	Overflowed bool        // answered by an inference function
	Cold       bool        // which had to start
	LatencyMS  float64     // from acceptance to the answer
	WaitMS     float64     // from acceptance to the start of the run
	// ComputeMS is how long the run took, if it can be held against a profile:
	// warm, alone in its batch and not paced; else 0.
	ComputeMS float64
	CostUSD   float64
}

// Of returns how a terminal record is counted.
func Of(r query.Record) (Key, Observation) {
	k, o := Key{Task: r.Need.Task, Model: r.Model, Class: r.Class}, Observation{Owner: r.Owner, State: r.State, Met: r.Met()}
	if r.Outcome == nil {
		return k, o
	}
	end := r.Outcome
	o.Callers = end.Failure != nil && end.Failure.Code.Callers()
	k.Resource, k.MemoryMB = end.RanOn.Resource, end.RanOn.MemoryMB
	o.Overflowed, o.Cold = end.RanOn.Kind == query.OnFunction, end.RanOn.Cold
	o.LatencyMS = query.Milliseconds(end.FinishedAt.Sub(r.AcceptedAt))
	if !end.StartedAt.IsZero() {
		o.WaitMS = max(0, query.Milliseconds(end.StartedAt.Sub(r.AcceptedAt)))
	}
	if !end.RanOn.Paced && !end.RanOn.Cold && end.Batch <= 1 {
		o.ComputeMS = end.ComputeMS
	}
	o.CostUSD = end.CostUSD
	return k, o
}

// MaxKeys is how many keys a book distinguishes. Queries of further ones are
// counted together, by class alone.
const MaxKeys = 256

// Book counts the queries of one process. It is safe for concurrent use, and
// cheap: an observation of a key that is known allocates nothing and waits for
// nobody but who counts the same key.
type Book struct {
	since time.Time

	pages atomic.Pointer[map[Key]*page] // replaced, never changed, when a key comes

	adding sync.Mutex // held while a key is added

	owners owners

	observed atomic.Int64 // observations of all keys
	due      sync.Mutex   // guards what follows
	dueAt    time.Time    // when Due or DueRarely gave the last snapshot; zero before the first
	reported int64        // observations in it
	broken   []breaker.Open

	functions atomic.Pointer[func() []breaker.Open]
}

// OnFunctions has snapshots name the models whose runs fail on functions, by a process that
// runs them there.
func (b *Book) OnFunctions(broken func() []breaker.Open) { b.functions.Store(&broken) }

// page is what a book has counted of one key.
type page struct {
	mu                     sync.Mutex // guards what follows
	counts                 Counts
	latency, wait, compute live
	paired                 *live // of a version in shadow alone
	costSquares            float64
}

// NewBook returns an empty book of a process that started at since.
func NewBook(since time.Time) *Book {
	b := &Book{since: since}
	b.pages.Store(&map[Key]*page{})
	return b
}

// Arrived counts n valid queries.
func (b *Book) Arrived(task string, class query.Class, n int) {
	p := b.page(Key{Task: task, Class: class})
	p.mu.Lock()
	p.counts.Arrived += int64(n)
	p.mu.Unlock()
}

// Refused counts a valid query of an owner that was turned away.
func (b *Book) Refused(owner, task string, class query.Class) {
	p := b.page(Key{Task: task, Class: class})
	p.mu.Lock()
	p.counts.Refused++
	p.mu.Unlock()
	b.owners.count(OwnerKey{owner, task}, Counts{Refused: 1})
}

// Offered counts a query that was offered to a peer, and whether that took it.
func (b *Book) Offered(task string, class query.Class, taken bool) {
	p := b.page(Key{Task: task, Class: class})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Offered++
	if taken {
		p.counts.Taken++
	}
}

// Faulted counts a run that failed by its model's fault. A nil book counts nothing.
func (b *Book) Faulted(k Key) {
	if b == nil {
		return
	}
	p := b.page(k)
	p.mu.Lock()
	p.counts.Faults++
	p.mu.Unlock()
}

// ShadowRun is how a run of a version in shadow ended.
type ShadowRun struct {
	Agrees bool // with the version that had answered
	// ComputeMS is how long it took, and ServedMS how long the other had taken for the
	// same query, if they can be compared; else 0.
	ComputeMS, ServedMS float64
}

// Shadowed counts a run of a version in shadow. A nil book counts nothing.
func (b *Book) Shadowed(k Key, r ShadowRun) {
	if b == nil {
		return
	}
	p := b.page(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Shadowed++
	p.counts.Agreed += one(r.Agrees)
	if r.ComputeMS > 0 && r.ServedMS > 0 {
		if p.paired == nil {
			p.paired = new(live)
		}
		p.compute.add(r.ComputeMS)
		p.paired.add(r.ServedMS)
	}
}

// Ended counts the end of a query. A state that is not terminal counts nothing.
func (b *Book) Ended(k Key, o Observation) {
	counts := o.counts()
	if counts == (Counts{}) {
		return
	}
	b.owners.count(OwnerKey{o.Owner, k.Task}, counts)
	p := b.page(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = p.counts.Add(counts)
	if o.State != query.Succeeded {
		return
	}
	p.costSquares += counts.CostUSD * counts.CostUSD
	p.latency.add(o.LatencyMS)
	p.wait.add(o.WaitMS)
	if o.ComputeMS > 0 {
		p.compute.add(o.ComputeMS)
	}
}

// counts is what one query adds; nothing when it has not ended.
func (o Observation) counts() (c Counts) {
	switch o.State {
	case query.Succeeded:
		c = Counts{Answered: 1, Met: one(o.Met), Overflowed: one(o.Overflowed), ColdStarts: one(o.Cold)}
	case query.Failed:
		c.Failed, c.BadInput = one(!o.Callers), one(o.Callers)
	case query.Expired:
		c.Expired = 1
	case query.Cancelled:
		c.Cancelled = 1
	default:
		return c
	}
	if o.CostUSD > 0 { // and a number
		c.CostUSD = o.CostUSD
	}
	return c
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Settled counts the end of a query whose terminal record this process was the
// first to store, or answered its caller with. What a worker answered it leaves
// out: the worker counts an answer when it has run. A nil book counts nothing.
func (b *Book) Settled(r query.Record) {
	if b == nil || r.State == query.Succeeded && r.Outcome != nil && r.Outcome.RanOn.Kind == query.OnWorker {
		return
	}
	b.Ended(Of(r))
}

// page returns the page of a key, to be written on; beyond MaxKeys, that of the class.
func (b *Book) page(k Key) *page {
	b.observed.Add(1)
	if p, known := (*b.pages.Load())[k]; known {
		return p
	}
	b.adding.Lock()
	defer b.adding.Unlock()
	pages := *b.pages.Load()
	if len(pages) >= MaxKeys {
		k = otherOf(k)
	}
	if p, known := pages[k]; known {
		return p
	}
	more, p := maps.Clone(pages), new(page)
	more[k] = p
	b.pages.Store(&more)
	return p
}

// otherOf is the key of what has no page of its own: one of three.
func otherOf(k Key) Key {
	if k.Class == query.Strict || k.Class == query.Relaxed {
		return Key{Class: k.Class}
	}
	return Key{}
}

// Snapshot is what a process has counted since it started.
type Snapshot struct {
	Since   time.Time `json:"since"` // distinguishes one process from the next under the same name
	At      time.Time `json:"at"`
	Tallies []Tally   `json:"tallies,omitempty"` // in the order of their keys
	// Owners are the same queries by owner and task, in the order of their keys.
	Owners []OwnerTally `json:"owners,omitempty"`
	// Broken are the models whose breakers are open on functions, as the process has seen.
	Broken []breaker.Open `json:"broken,omitempty"`
}

// IsZero reports whether it is the zero value: no snapshot.
func (s Snapshot) IsZero() bool {
	return s.Since.IsZero() && s.At.IsZero() && len(s.Tallies)+len(s.Owners)+len(s.Broken) == 0
}

// repeatEvery is how often a snapshot is due though nothing changed: readers
// take one that says nothing for long for gone.
const repeatEvery = time.Minute

// Due returns a snapshot for a report, if one is due: at most one in the given
// time, as they are large and writing them is paid by size, and only when
// something was counted since the last one or that is a minute ago; and at once when a
// breaker has opened, or closed before its time. Otherwise it is zero. A process that ends
// reports Snapshot.
func (b *Book) Due(now time.Time, every time.Duration) Snapshot {
	return b.dueIf(now, func(since time.Duration, pending int64) bool {
		return since >= every && (pending > 0 || since >= repeatEvery)
	})
}

// A process that reports rarely has at most so much unreported: a fixed part
// of all that it has observed, and a fixed number of observations; and nothing for longer than
// a fixed time.
const (
	unreportedShare = 10
	unreportedMost  = 60 // two a query: that it arrived, and how it ended
	unreportedFor   = 4 * time.Minute
)

// DueRarely is Due for a process that has a query now and then, as a function's
// environment: a report for each would cost more than the rest of the query.
func (b *Book) DueRarely(now time.Time, every time.Duration) Snapshot {
	return b.dueIf(now, func(since time.Duration, pending int64) bool {
		many := pending*unreportedShare > b.reported+pending || pending >= unreportedMost
		return since >= every && pending > 0 && (many || since >= unreportedFor)
	})
}

// dueIf returns a snapshot, the first one in any case, the others if they are due
// by the time since the last one and what was observed since.
func (b *Book) dueIf(now time.Time, due func(since time.Duration, pending int64) bool) Snapshot {
	b.due.Lock()
	defer b.due.Unlock()
	observed := b.observed.Load() // before the counts are read: what comes meanwhile is due the next time
	open := b.brokenNow()
	if !b.dueAt.IsZero() && !due(now.Sub(b.dueAt), observed-b.reported) && !breaker.Changed(b.broken, open, now) {
		return Snapshot{}
	}
	b.dueAt, b.reported, b.broken = now, observed, open
	return b.Snapshot(now)
}

func (b *Book) brokenNow() []breaker.Open {
	if broken := b.functions.Load(); broken != nil {
		return (*broken)()
	}
	return nil
}

// Snapshot returns what was counted until now, each key as of one moment.
func (b *Book) Snapshot(now time.Time) Snapshot {
	out := Snapshot{Since: b.since, At: now, Owners: b.owners.snapshot(now), Broken: b.brokenNow()}
	for k, p := range *b.pages.Load() {
		p.mu.Lock()
		t := Tally{Key: k, Counts: p.counts, Latency: p.latency.histogram(), Wait: p.wait.histogram(), Compute: p.compute.histogram(), CostSquares: rounded(p.costSquares)}
		if p.paired != nil {
			t.Paired = p.paired.histogram()
		}
		p.mu.Unlock()
		out.Tallies = append(out.Tallies, t)
	}
	slices.SortFunc(out.Tallies, func(a, b Tally) int { return a.Key.Compare(b.Key) })
	return out
}
