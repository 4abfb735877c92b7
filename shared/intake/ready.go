package intake

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// NotReady says why a query of a task would not be answered by something that is
// there now: the store cannot be written, or there is neither a ready worker nor
// an inference function. It is nil when one would. A query that comes before the
// first worker is ready is accepted all the same, and waits.
func (s *Service) NotReady(ctx context.Context, task string) error { return s.notReady(ctx, task, "") }

// notReady is NotReady, of a task or of one model of it.
func (s *Service) notReady(ctx context.Context, task, model string) error {
	if s.WriteFault != nil {
		if err := s.WriteFault(); err != nil {
			return err
		}
	}
	set := s.Settings()
	s.refreshView(ctx)
	pool, ok := s.poolFor(task)
	if !ok {
		return fmt.Errorf("no pool of workers serves task %s", task)
	}
	broken, _ := s.broken(pool.Name, s.Now())
	absent := placement.Choice{Reason: s.fleet.absence(pool.Name, s.Now(), set)}
	err := fmt.Errorf("nothing can answer task %s: %s, and no query may run on a function", task, absent)
	if runners, _ := s.fleet.load(pool.Name, s.Now(), set); runners > 0 {
		if err = s.runsOn(query.OnWorker, task, model, broken); err == nil {
			return nil
		}
	}
	if _, functions := s.catalogue().FunctionSizes(s.Arch); functions && set.MaxOverflowConcurrency > 0 {
		if err = s.runsOn(query.OnFunction, task, model, broken); err == nil {
			return nil
		}
	}
	return err
}
