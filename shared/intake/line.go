package intake

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// lineQueries is how many strict queries a second one line is meant for: each is
	// a write, of which a row of DynamoDB takes 1,000 a second.
	lineQueries = 300
	// lineRunners are the fewest runners of a line: a line of few is often full while
	// another has a slot.
	lineRunners = 8
)

// lineOf is the name of one of a pool's lines in platform.Shared: the strict work that
// all processes which are no workers have sent to it.
func lineOf(pool string, line int) string { return platform.LinePart("strict-"+pool, line) }

// lines is over how many lines the strict work of a pool is spread: one, until more
// strict queries come than one row of the store is meant for. Each line has its share
// of the runners.
func lines(traffic tally.Summary, runners int) int {
	perSecond := 0.0
	for _, l := range traffic.Minute {
		if l.Key == (tally.Key{Class: query.Strict}) {
			perSecond = float64(l.Arrived) / time.Minute.Seconds()
		}
	}
	return max(1, min(int(math.Ceil(perSecond/lineQueries)), runners/lineRunners))
}

// reserve asks for a slot in time among the runners of a pool, for a strict query
// that this process would send there. Each such process sees the pool by a view
// that is some seconds old and knows only of what it sent itself: of a burst that
// comes by forty of them, each would take the free runners for its own. So the
// work sent is one line for all, which the runners work off. It returns the work
// ahead of the query, as far as that is known now, in milliseconds of one runner.
//
// Workers need no such line: what one has no slot for, it hands over.
func (s *Service) reserve(ctx context.Context, q *submission, runners int, aheadMS float64) (nowAheadMS float64) {
	ctx, cancel := context.WithTimeout(ctx, s.reserveTime)
	defer cancel()
	// What is ahead takes its mean, as in a view and in the estimate: the p99 is
	// kept for the query itself.
	workMS := cmp.Or(q.asks.WorkMS, q.ask.ServiceMS)
	n := s.fleet.lines(runners)
	each := workMS * float64(n) / float64(runners)
	from := q.m.AcceptedAt.Add(query.Duration(aheadMS / float64(runners)))
	latest := q.m.AcceptedAt.Add(query.Duration(q.ask.BudgetMS - q.ask.ServiceMS + each))
	end, ok, err := s.Shared.Reserve(ctx, lineOf(q.pool.Name, rand.IntN(n)), from, latest, query.Duration(each))
	// One microsecond more than fits, should the line have moved meanwhile.
	full := (q.ask.BudgetMS-q.ask.ServiceMS)*float64(runners) + 0.001*float64(runners)
	switch {
	case errors.Is(err, platform.ErrThrottled):
		return max(full, aheadMS)
	case err != nil && ctx.Err() == nil:
		s.Log.Warn("could not reserve a slot; using this process's own estimate of the waiting work", "pool", q.pool.Name, "error", err)
		return aheadMS
	case err != nil:
		return aheadMS
	case ok: // the query itself is at the line's end
		return max(aheadMS, query.Milliseconds(end.Sub(q.m.AcceptedAt))*float64(runners)-workMS*float64(n))
	}
	return max(full, query.Milliseconds(end.Sub(q.m.AcceptedAt))*float64(runners))
}

// reserves reports whether a query needs a slot that no other process has: a
// strict one that would wait on a work queue, from a process that is no worker.
func (s *Service) reserves(q *submission, c placement.Choice) bool {
	return s.Worker == nil && q.class == query.Strict && c.Reason == placement.SlotInTime
}
