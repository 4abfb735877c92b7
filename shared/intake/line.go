package intake

import (
	"cmp"
	"context"
	"time"

	"paragon/shared/core/placement"
	"paragon/shared/core/query"
)

// reserveTime bounds the call that reserves a slot. Without an answer by then
// this process goes by what it knows itself.
const reserveTime = 250 * time.Millisecond

// lineOf is the name of a pool's line in platform.Shared: the strict work that all
// processes which are no workers have sent to it.
func lineOf(pool string) string { return "strict-" + pool }

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
	each := workMS / float64(runners)
	from := q.m.AcceptedAt.Add(query.Duration(aheadMS / float64(runners)))
	latest := q.m.AcceptedAt.Add(query.Duration(q.ask.BudgetMS - q.ask.ServiceMS + each))
	end, ok, err := s.Shared.Reserve(ctx, lineOf(q.pool.Name), from, latest, query.Duration(each))
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.Warn("no slot could be reserved; going by this process's own estimate", "pool", q.pool.Name, "error", err)
		return aheadMS
	case err != nil:
		return aheadMS
	case ok: // the query itself is at the line's end
		return max(aheadMS, query.Milliseconds(end.Sub(q.m.AcceptedAt))*float64(runners)-workMS)
	}
	// One microsecond more than fits, should the line have moved meanwhile.
	full := (q.ask.BudgetMS-q.ask.ServiceMS)*float64(runners) + 0.001*float64(runners)
	return max(full, query.Milliseconds(end.Sub(q.m.AcceptedAt))*float64(runners))
}

// reserves reports whether a query needs a slot that no other process has: a
// strict one that would wait on a work queue, from a process that is no worker.
func (s *Service) reserves(q *submission, c placement.Choice) bool {
	return s.Worker == nil && q.class == query.Strict && c.Reason == placement.SlotInTime
}
