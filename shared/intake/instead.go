package intake

import (
	"context"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
)

// choice is the model that a submission goes by, with all that follows from it.
type choice struct {
	plan       plan
	asks       workload.Demand
	ask        placement.Ask
	model, why string
	noSlotMS   float64
}

func (q *submission) choice() choice {
	return choice{q.plan, q.asks, q.ask, q.m.Model, q.m.Choice, q.noSlotMS}
}

// restore has a submission go by a model that it went by before.
func (q *submission) restore(c choice) {
	q.plan, q.asks, q.ask, q.noSlotMS = c.plan, c.asks, c.ask, c.noSlotMS
	q.m.Model, q.m.Choice = c.model, c.why
}

// insteadHere has another model answer a query on this worker, which has no slot in
// time for the chosen one. It is not done when there is no such model, or no slot for
// it either: the query then goes on with the model that was chosen.
func (s *Service) insteadHere(ctx context.Context, q *submission) (Answer, bool, error) {
	chosen := q.choice()
	runners, aheadMS := s.Worker.Load()
	if !s.takeInstead(q, directPathMS, runners, aheadMS) {
		return Answer{}, false, nil
	}
	a, done, err := s.onWorker(ctx, q, q.by())
	if !done && err == nil {
		q.restore(chosen)
	}
	return a, done, err
}

// orInstead tries the route with another model where the pool has no slot in time for
// the chosen one. aheadMS is the work ahead, as far as the first try has shown it.
func (s *Service) orInstead(q *submission, first placement.Choice, runners int, aheadMS float64, route func() placement.Choice) placement.Choice {
	chosen := q.choice()
	if first.Reason == placement.SlotInTime || !s.takeInstead(q, q.set.PathMS, runners, aheadMS) {
		return first
	}
	if other := route(); other.Reason == placement.SlotInTime {
		return other
	}
	q.restore(chosen)
	return first
}

// takeInstead has a query answered by the model that selection.Instead names under a
// load. It says whether there is one that takes the query's input.
func (s *Service) takeInstead(q *submission, pathMS float64, runners int, aheadMS float64) bool {
	if q.set.Downgrade != settings.On {
		return false
	}
	o := s.offer(q.pool, false, q.m.AcceptedAt, q.set, q.decoding)
	o.PathMS, o.Runners, o.AheadMS = pathMS, runners, aheadMS
	other, ok := selection.Instead(q.effective(), o, q.chosen.Model)
	if !ok {
		return false
	}
	m, ok := o.Catalogue.Model(other.Model)
	if !ok {
		return false
	}
	if d, err := q.in.check(m); err != nil || d != q.decoding {
		return false
	}
	q.chosen, q.trial = other, nil
	q.run(m)
	q.asks, q.ask = s.asks(q.plan, q.set), s.fleet.rule(q.pool.Name, s.ask(q.plan, q.set), q.set.Scheme)
	return true
}
