package intake

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// deadly ends a query that was in the request of query.MostDeaths workers as they ended,
// and files its message as a dead letter. Of a list nobody knows which query it was: all
// end so.
func (s *Service) deadly(ctx context.Context, q *submission) (Answer, error) {
	if err := s.identify(q, signed.Stored); err != nil {
		return Answer{}, err
	}
	q.m.Placement = placedDirect
	f := settle.Deadly(len(q.m.Died))
	if err := platform.OweCallback(ctx, s.CallbackQueue, q.m); err != nil {
		return Answer{}, err
	}
	held, won, err := s.Records.PutRecord(ctx, q.m.Ended(query.Outcome{
		State: query.Failed, FinishedAt: s.Now(), Failure: &f, Attempts: q.m.Attempts,
	}))
	if err != nil {
		return Answer{}, fmt.Errorf("store the failure of query %s: %w", q.m.ID, err)
	}
	if !won {
		return s.answerWith(q, held)
	}
	s.Counts.Settled(held)
	m, err := s.handOver(ctx, q.m)
	if err == nil {
		err = s.Queues.Send(ctx, platform.DeadLetters, m)
	}
	if err != nil { // it has ended all the same
		s.Log.Warn("a query crashed its workers, and could not be stored as a dead letter", "query", q.m.ID, "error", err)
	}
	return s.answerWith(q, held)
}
