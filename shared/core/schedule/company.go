package schedule

import "time"

// companyFor is for how long an owner counts as there after its last query
// started. While several are there none holds all runners: see Company.
const companyFor = time.Minute

// Company knows whether several owners use the runners.
//
// Fair queuing alone lets a query wait for the run that is in progress, as none is
// interrupted: up to 1.2 s behind pictures of 16 megapixels, for a query of a
// millisecond. So while another owner was there within companyFor, an owner runs
// on all runners but one at most, and the last one is free for whatever else
// comes. An owner alone has all of them, and so has one on a worker of a single
// runner.
//
// It costs an owner with a backlog the idle time of one runner. With F owners that
// have queries waiting nothing is idle. The zero value has seen nobody. It is not safe for
// concurrent use.
type Company struct {
	owners [2]string // the last two different ones
	at     [2]time.Time
	n      int
}

// Started notes that an owner's query starts.
func (c *Company) Started(now time.Time, owner string) {
	if c.n == 0 || c.owners[0] != owner {
		c.owners[1], c.at[1] = c.owners[0], c.at[0]
		c.owners[0] = owner
		c.n = min(2, c.n+1)
	}
	c.at[0] = now
}

// Several reports whether another owner than the last was there lately.
func (c *Company) Several(now time.Time) bool {
	return c.n > 1 && now.Sub(c.at[1]) < companyFor
}

// keptFromNone reports whether a runner is free, and kept from nobody.
func (q *Queue[T]) keptFromNone(now time.Time) bool {
	return len(q.running) < q.runners && !q.company.Several(now)
}

// nextFor is next for an owner's query.
func (p *player) nextFor(owner string) (first, free int) {
	first, free = p.next()
	if second, kept := p.keptFrom(owner, first); kept {
		return second, 1
	}
	return first, free
}

// keptFrom reports whether a runner that comes free is kept from an owner, as that
// one has all others then, and which of the others comes free next.
func (p *player) keptFrom(owner string, first int) (second int, kept bool) {
	if !p.shared || len(p.free) < 2 {
		return first, false
	}
	second = -1
	for i, at := range p.free {
		if i == first {
			continue
		}
		if at <= p.free[first] || p.owners[i] != owner {
			return first, false
		}
		if second < 0 || at < p.free[second] {
			second = i
		}
	}
	return second, true
}
