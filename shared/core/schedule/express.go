package schedule

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Express runs are those above the number of runners. Fair queuing and the runner that
// is kept (see Company) let a strict query wait for no more than one run, but that one
// may be long, and an owner that is kept to one runner waits there for its own queries,
// too. So where no runner is free for it, the next strict query of an owner starts
// nevertheless if the owner had less than its share of the runners (see uses) and has no
// backlog, and another one whose query runs had more than it by expressCosts of that
// query.
//
// The operating system divides the cores among the runs then. While there are more runs
// than runners no other run starts when one ends, so that a worker does no more
// work than its runners can: it is the others that wait. Predictions count the cores as
// divided, and so do the measured paces.

// expressCosts is how many times what a query takes another owner had more than its own,
// so that owners who send about the same do not overtake each other: runs of one length
// that divide a core all take longer than one after another.
const expressCosts = 10

// MostRuns is how many runs a worker with the given number of runners has at a time at most: its
// runners', and as express runs what one owner would have beyond the runner that is kept
// for it, but one at least.
func MostRuns(runners int) int {
	if runners < 1 {
		return 0
	}
	return runners + max(1, runners-1)
}

// usesFor is for how long a share of the runners may be used at once.
const usesFor = 5 * time.Second

// uses are what owners used of the runners lately, as leaky buckets: each leaks an owner's
// share, which of F owners is 1/(F+1), so that owners at their shares leave room.
type uses struct {
	of       map[string]*bucket
	prunedAt time.Time
}

// bucket holds runner time. Once it ran over, its owner is above its share until it is
// empty.
type bucket struct {
	ms   float64
	over bool
	at   time.Time
}

// share is what an owner may use of the given number of runners.
func (u *uses) share(runners int) float64 { return float64(runners) / float64(len(u.of)+1) }

// used is what an owner used beyond its share, in milliseconds.
func (u *uses) used(now time.Time, owner string, runners int) float64 {
	return u.of[owner].used(now, u.share(runners))
}

func (b *bucket) used(now time.Time, share float64) float64 {
	if b == nil {
		return 0
	}
	return max(0, b.ms-query.Milliseconds(now.Sub(b.at))*share)
}

// most is what a bucket takes until it runs over.
func (u *uses) most(runners int) float64 { return query.Milliseconds(usesFor) * u.share(runners) }

// keeps reports whether an owner keeps to its share, of whom used is known.
func (u *uses) keeps(owner string, usedMS float64) bool { return u.of[owner].keeps(usedMS) }

func (b *bucket) keeps(usedMS float64) bool { return b == nil || usedMS == 0 || !b.over }

// count adds runner time: of a query that starts as much as it should take, and of a run
// that ends what it took beyond that. A bucket holds twice of what makes it run over, so
// that it is empty soon after its owner sends less.
func (u *uses) count(now time.Time, owner string, costMS float64, runners int) {
	if now.Sub(u.prunedAt) >= companyFor {
		u.prunedAt = now
		for o, b := range u.of {
			if now.Sub(b.at) >= companyFor {
				delete(u.of, o)
			}
		}
	}
	b := u.of[owner]
	if b == nil {
		if u.of == nil {
			u.of = map[string]*bucket{}
		}
		b = &bucket{}
		u.of[owner] = b
	}
	before, most := b.used(now, u.share(runners)), u.most(runners)
	b.over = !b.keeps(before) || before+costMS > most
	b.ms, b.at = min(before+costMS, 2*most), now
}

// mostUsed is the most that an owner whose query runs used.
func (q *Queue[T]) mostUsed(now time.Time) float64 {
	most := 0.0
	for i := range q.running {
		r := &q.running[i]
		most = max(most, r.ranMS(now), q.uses.used(now, r.owner, q.runners))
	}
	return most
}

// usedBy is what an owner used. What it runs may take longer than it should, and counts
// for as long as it has run.
func (q *Queue[T]) usedBy(now time.Time, owner string) float64 {
	used := q.uses.used(now, owner, q.runners)
	for i := range q.running {
		if r := &q.running[i]; r.owner == owner {
			used = max(used, r.ranMS(now))
		}
	}
	return used
}

// runsOfOthers reports whether a query of another owner runs: nobody had more than an
// owner who runs alone.
func (q *Queue[T]) runsOfOthers(owner string) bool {
	for i := range q.running {
		if q.running[i].owner != owner {
			return true
		}
	}
	return false
}

func (r *run) ranMS(now time.Time) float64 { return query.Milliseconds(now.Sub(r.startedAt)) }

// onExpress reports whether a query is due an express run if no runner is free for it,
// where the owners whose queries run used most; below 0 that is not known yet, and is
// found if it matters.
func (q *Queue[T]) onExpress(now time.Time, e *entry[T], most *float64) bool {
	if !e.few || e.work.Class != query.Strict || !q.runsOfOthers(e.work.Owner) {
		return false
	}
	if *most < 0 {
		*most = q.mostUsed(now)
	}
	mostMS, used := *most, q.usedBy(now, e.work.Owner)
	return used < mostMS && used+expressCosts*e.costMS <= mostMS && q.uses.keeps(e.work.Owner, used)
}

// mayStart reports whether a held query could start: a runner is free, or an express run
// is due.
func (q *Queue[T]) mayStart(now time.Time) bool {
	if len(q.running) < q.runners {
		return len(q.held) > 0
	}
	if len(q.held) == 0 || len(q.running) >= MostRuns(q.runners) {
		return false
	}
	most := -1.0
	for _, e := range q.held {
		if e.work.Class != query.Strict {
			return false
		}
		if q.onExpress(now, e, &most) {
			return true
		}
	}
	return false
}

// fit is player.fit for an entry: on an express run where that is due.
func (q *Queue[T]) fit(p *player, e *entry[T], left int) *slot {
	ratio := e.pace.ratio(p.now)
	s := p.fit(&e.work, ratio, left)
	if s.start <= 0 || p.express <= 0 || !q.onExpress(p.now, e, &p.mostUsedMS) {
		return s
	}
	first, _ := p.next()
	*s = slot{runner: expressRunner, end: p.shares(first, e.work.P50MS*ratio), latest: p.shares(first, e.work.P99MS*ratio), first: &e.work, ratio: ratio, n: 1}
	return s
}

// shares predicts when an express run ends that would take aloneMS alone: it has its part
// of the cores, and ends no later than if it waited for the runner that comes free first.
func (p *player) shares(first int, aloneMS float64) time.Duration {
	runs, runners := p.most-p.express+1, len(p.free)
	return min(query.Duration(aloneMS*float64(runs)/float64(runners)), p.free[first]+query.Duration(aloneMS))
}

// expressRunner is the runner of a slot that is an express run.
const expressRunner = -1

// takeExpress counts an express run: the runner that would come free first has its work
// to do, too.
func (p *player) takeExpress(s *slot) {
	p.express--
	p.last.most = 0
	first, _ := p.next()
	if s.end > p.free[first] {
		p.owners[first] = s.first.Owner
	}
	p.free[first] += query.Duration(s.first.P50MS * s.ratio)
}

// leaveOut drops the runs that end first where there are more than runners, as no other
// run starts when they end. What they still have to do is done by the next one's runner.
func leaveOut(free []time.Duration, owners []string, runners int) ([]time.Duration, []string) {
	for len(free) > max(runners, 1) {
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		last, left := len(free)-1, free[first]
		free[first], owners[first] = free[last], owners[last]
		free, owners = free[:last], owners[:last]
		next := 0
		for i := range free {
			if free[i] < free[next] {
				next = i
			}
		}
		free[next] += left
	}
	return free, owners
}

// crowd is the time that runs lost as there were more of them than runners.
type crowd struct {
	lost time.Duration // by one that ran all the time
	at   time.Time     // until when it is counted
}

// count counts the time until now, during which the given runs were in progress.
func (c *crowd) count(now time.Time, runs, runners int) {
	if runs > runners && now.After(c.at) {
		c.lost += now.Sub(c.at) * time.Duration(runs-runners) / time.Duration(runs)
	}
	c.at = now
}
