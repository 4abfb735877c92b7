package intake

import (
	"context"
	"errors"
	"fmt"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
)

// Get returns an owner's query. A foreign id and an unknown one get the same
// refusal.
func (s *Service) Get(ctx context.Context, owner, id string) (query.Record, error) {
	r, err := s.Store.Get(ctx, id)
	if errors.Is(err, cloud.ErrNotFound) || err == nil && r.Owner != owner {
		return query.Record{}, refuse(NotFound, "", "there is no such query")
	}
	if err != nil {
		return query.Record{}, fmt.Errorf("get query %s: %w", id, err)
	}
	return r, nil
}

// Recent returns an owner's newest queries, newest first.
func (s *Service) Recent(ctx context.Context, owner string, limit int) ([]query.Record, error) {
	if owner == "" { // would be everybody's
		return nil, refuse(NotFound, "", "nobody's queries cannot be listed")
	}
	rs, err := s.Store.Recent(ctx, owner, limit)
	if err != nil {
		return nil, fmt.Errorf("list recent queries: %w", err)
	}
	return rs, nil
}

// Cancel ends an owner's query before its result: one that does not run yet
// never will, and the result of one that runs is dropped. To cancel twice is
// the same as once; any other end refuses it.
func (s *Service) Cancel(ctx context.Context, owner, id string) (query.Record, error) {
	r, err := s.Get(ctx, owner, id)
	if err != nil {
		return r, err
	}
	if !r.State.Terminal() {
		r, _, err = s.Store.Finish(ctx, id, query.Outcome{
			State: query.Cancelled, FinishedAt: s.Now(),
			Failure: &query.Failure{Code: query.CallerGone, Detail: "cancelled by its caller"},
		})
		if errors.Is(err, cloud.ErrNotFound) {
			return r, refuse(NotFound, "", "there is no such query")
		}
		if err != nil {
			return r, fmt.Errorf("cancel query %s: %w", id, err)
		}
	}
	if r.State != query.Cancelled {
		return r, refuse(Finished, "", "the query has already %s", r.State)
	}
	return r, nil
}

// Explanation tells why a query went where it went.
type Explanation struct {
	Record query.Record
	// Candidates are every model on every resource for the query's need, as
	// they stand now; empty when the need cannot be met any more.
	Candidates []selection.Candidate
}

// Explain returns an owner's query with the candidates derived anew, under the
// load of this moment.
func (s *Service) Explain(ctx context.Context, owner, id string) (Explanation, error) {
	r, err := s.Get(ctx, owner, id)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Record: r}
	pool, ok := s.poolFor(r.Need.Task)
	if !ok {
		return e, nil
	}
	set := s.Settings()
	s.refreshView(ctx, set)
	n := r.Need
	n.Class, n.Constraints.LatencyMS = r.Class, query.Milliseconds(r.DeadlineAt.Sub(r.AcceptedAt))
	ranked, err := s.Chooser.Choose(n, s.offer(pool, s.Now(), set))
	if u := (*selection.Unsatisfiable)(nil); err != nil && !errors.As(err, &u) {
		return e, fmt.Errorf("explain query %s: %w", id, err)
	}
	e.Candidates = ranked.Candidates
	return e, nil
}
