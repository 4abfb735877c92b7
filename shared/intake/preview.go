package intake

import (
	"context"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Preview is what would be chosen at this moment for a request, whose input is of
// no matter and whose caller waits: where a worker is there, it is answered within its
// request and by no queue. A *Refusal says why nothing would.
func (s *Service) Preview(ctx context.Context, r Request) (selection.Candidate, error) {
	s.refreshView(ctx)
	s.views.Settle() // of this moment, not of the one before
	now, set := s.Now(), s.Settings()
	if pool, ok := s.poolFor(r.Task); ok {
		if runners, _ := s.fleet.load(pool.Name, now, set); runners > 0 {
			set.PathMS = directPathMS
		}
	}
	p, err := s.plan(r, false, now, set, profile.Decoding{})
	return p.chosen, err
}
