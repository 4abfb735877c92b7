package schedule

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// The queue predicts by playing its own order through: every runner comes free
// when what it runs should end, and the held queries start one after another
// on the first that is free, in batches as Start makes them. What lies ahead is
// expected to take its p50, as long sums go to the middle; the query itself must
// fit with its p99. Both are scaled by the pace at which runs were measured.

// never stands for when a queue without runners starts something.
const never = time.Hour

// left predicts how long a run still takes: until its p50, once that has passed
// until its p99, and once that has passed it may end at any moment.
func (r *run) left(now time.Time) time.Duration {
	ran, ratio := now.Sub(r.startedAt), r.pace.ratio(now)
	for _, ms := range [...]float64{r.p50MS, r.p99MS} {
		if left := query.Duration(ms*ratio) - ran; left > 0 {
			return left
		}
	}
	return 0
}

// player plays a queue's order through. Times count from now.
type player struct {
	now        time.Time
	free       []time.Duration // when each runner comes free
	owners     []string        // whose query each runs until then
	shared     bool            // several owners use the runners: see Company
	express    int             // how many express runs there is room for
	mostUsedMS float64         // by an owner whose query runs; below 0 before it is asked for
	most       int             // runs at a time: see MostRuns
	maxBatch   int
	last       slot // the batch that a query may join
	fits       slot // of the query that was fitted last
}

// slot is where a query starts, and the batch that it starts in.
type slot struct {
	runner  int
	start   time.Duration
	end     time.Duration // at p50
	latest  time.Duration // at p99
	first   *Work         // of the batch, which reports what each takes
	ratio   float64       // its pace
	n, most int           // queries in the batch, and how many it may get
	soonest time.Duration // deadline of those in it
}

// play begins to play the queue from now on. There is one player at a time.
func (q *Queue[T]) play(now time.Time) *player {
	free, owners := q.free[:0], q.owners[:0]
	for i := range q.running {
		free = append(free, max(1, q.running[i].left(now))) // a busy runner is never free now
		owners = append(owners, q.running[i].owner)
	}
	free, owners = leaveOut(free, owners, q.runners)
	for len(free) < q.runners {
		free, owners = append(free, 0), append(owners, "")
	}
	if len(free) == 0 {
		free, owners = append(free, never), append(owners, "")
	}
	q.free, q.owners = free, owners
	p := &q.player
	p.owners, p.shared = owners, q.company.Several(now)
	p.most = MostRuns(q.runners)
	p.express, p.mostUsedMS = p.most-max(q.runners, len(q.running)), -1
	p.now, p.free, p.maxBatch, p.last.most, p.last.n = now, free, q.maxBatch, 0, 0
	return p
}

// next returns the runner that comes free first, and how many do then.
func (p *player) next() (first, free int) {
	for i, at := range p.free {
		switch {
		case at < p.free[first]:
			first, free = i, 1
		case at == p.free[first]:
			free++
		}
	}
	return first, free
}

// fit finds where the next query would start: in the batch of the query before
// it, or on the runner that comes free first. left is how many queries there
// are from this one on. What it returns is good until the next fit.
func (p *player) fit(w *Work, ratio float64, left int) *slot {
	s := &p.fits
	if p.join(w) {
		return s
	}
	i, free := p.nextFor(w.Owner)
	start := p.free[i]
	s.runner, s.start, s.end, s.latest = i, start, start+query.Duration(w.P50MS*ratio), start+query.Duration(w.P99MS*ratio)
	s.first, s.ratio, s.n, s.most = w, ratio, 1, 0
	if w.BatchMax > 1 {
		s.soonest = w.DeadlineAt.Sub(p.now)
		s.most = min(w.BatchMax, (left+free-1)/free)
		if p.maxBatch > 0 {
			s.most = min(s.most, p.maxBatch)
		}
	}
	return s
}

// join finds whether a query joins the batch of the one before it: its model is
// the same, there is a place, and all still meet their deadlines.
func (p *player) join(w *Work) bool {
	if p.last.n >= p.last.most || p.last.first.Model != w.Model || w.BatchMax < 2 {
		return false
	}
	p.fits = p.last
	s := &p.fits
	s.n++
	took := query.Duration(float64(s.n) * s.first.BatchEachMS * s.ratio)
	s.end, s.latest = s.start+took, s.start+max(took, query.Duration(s.first.P99MS*s.ratio))
	s.soonest = min(s.soonest, w.DeadlineAt.Sub(p.now))
	return s.end <= s.soonest
}

// take lets the query that was fitted last start there.
func (p *player) take() {
	s := &p.fits
	if s.runner == expressRunner {
		p.takeExpress(s)
		return
	}
	p.free[s.runner], p.owners[s.runner] = s.end, s.first.Owner
	if s.most > 1 {
		p.last = *s
	} else {
		p.last.most = 0 // nobody joins
	}
}

// unkept is the runner that comes free next for every owner, and the one that is kept
// from the owner who has all the others, or -1: the owner of any other will do, as a
// runner is kept only from one who has all of them.
func (p *player) unkept() (next, kept int) {
	first, _ := p.next()
	if second, ok := p.keptFrom(p.owners[(first+1)%len(p.owners)], first); ok {
		return second, first
	}
	return first, -1
}

// Room returns how many more queries of a class, of at most largestMS
// milliseconds each by their profiles, could start within lookAhead behind what
// is held before them, and when none could, after which time one can: relaxed
// queries wait behind everything, strict ones behind strict ones only. An owner
// who had less than others may start before them; then it is these that wait.
func (q *Queue[T]) Room(class query.Class, now time.Time, lookAhead time.Duration, largestMS float64) (int, time.Duration) {
	if q.runners <= 0 {
		return 0, never
	}
	p, slowest := q.play(now), 1.0
	for i, e := range q.held {
		if class == query.Relaxed || e.work.Class == query.Strict {
			q.fit(p, e, len(q.held)-i)
			p.take()
		}
	}
	next, kept := p.unkept()
	if wait := p.free[next] - lookAhead; wait > 0 {
		return 0, wait
	}
	for of, pace := range q.paces {
		if of.large {
			continue
		}
		slowest = max(slowest, pace.ratio(now))
	}
	n := 0
	for i, free := range p.free {
		if spare := lookAhead - free; spare >= 0 && i != kept {
			n += 1 + int(float64(spare)/float64(query.Duration(max(largestMS, 1)*slowest)))
		}
	}
	return n, 0
}
