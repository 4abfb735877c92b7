package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// The kinds of refusal of what is not kept.
const (
	// AnsweredDirectly: the query was answered in its request; nothing of it is kept.
	AnsweredDirectly Kind = "answered-directly"
	// Gone: the query is past its retention.
	Gone Kind = "gone"
)

// parse reads an owner's query id. A foreign id and one that this stage never
// gave get the same refusal.
func (s *Service) parse(owner, text string) (signed.ID, error) {
	id, err := s.Keys.ParseID(text)
	if err != nil || id.Owner != signed.HashOwner(owner) {
		return id, refuse(NotFound, "", "there is no such query")
	}
	if !s.Now().Before(id.ForgetAt) {
		return id, refuse(Gone, "", "the query was deleted: its retention time ended at %s", id.ForgetAt.Format("2006-01-02 15:04:05 MST"))
	}
	return id, nil
}

// Get returns an owner's query as it stands. One that expired without a record
// is settled by that: nobody says that it expired without having stored it.
func (s *Service) Get(ctx context.Context, owner, text string) (query.Record, error) {
	id, err := s.parse(owner, text)
	if err != nil {
		return query.Record{}, err
	}
	r, there, err := s.answered(ctx, text)
	switch {
	case err != nil || there && r.Owner == owner:
		return r, err
	case there:
		return query.Record{}, refuse(NotFound, "", "there is no such query")
	case id.Kind == signed.Direct:
		return r, refuse(AnsweredDirectly, "", "the query was answered directly, in the response to its request, and was not stored")
	case !s.Now().Before(id.ExpiresAt):
		return s.expire(ctx, unfinished(owner, text, id))
	}
	return unfinished(owner, text, id), nil
}

// unfinished is what an id says of a query without a record.
func unfinished(owner, text string, id signed.ID) query.Record {
	return query.Record{ID: text, Owner: owner, State: query.Accepted,
		AcceptedAt: id.AcceptedAt, ExpiresAt: id.ExpiresAt, ForgetAt: id.ForgetAt}
}

// end settles a query without a record with an outcome that needs no run, and
// returns the record that is held then.
func (s *Service) end(ctx context.Context, r query.Record, o query.Outcome) (query.Record, error) {
	r.State, r.Outcome = o.State, &o
	held, won, err := s.Records.PutRecord(ctx, r)
	if err != nil {
		return r, fmt.Errorf("store that query %s is %s: %w", r.ID, o.State, err)
	}
	if won {
		s.Counts.Settled(held)
	}
	return held, nil
}

// expire settles a query that expired.
func (s *Service) expire(ctx context.Context, r query.Record) (query.Record, error) {
	return s.end(ctx, r, query.Unanswered(r.AcceptedAt, r.ExpiresAt, s.Now()))
}

// Recent returns an owner's newest finished stored queries, newest first.
func (s *Service) Recent(ctx context.Context, owner string, limit int) ([]query.Record, error) {
	if owner == "" { // would be everybody's
		return nil, refuse(NotFound, "", "the request has no known caller, so there are no queries to list")
	}
	rs, err := s.Records.ListRecords(ctx, owner, limit)
	if err != nil {
		return nil, fmt.Errorf("list recent queries: %w", err)
	}
	return rs, nil
}

// Cancel ends an owner's query before its result: one that no consumer has
// read yet may still run, and its result is dropped. To cancel twice is the
// same as once; any other end refuses it.
func (s *Service) Cancel(ctx context.Context, owner, text string) (query.Record, error) {
	id, err := s.parse(owner, text)
	if err != nil {
		return query.Record{}, err
	}
	if id.Kind == signed.Direct {
		return query.Record{}, refuse(Finished, "", "the query has already been answered, in the response to its request")
	}
	r, err := s.Get(ctx, owner, text)
	if err == nil && !r.State.Terminal() {
		r, err = s.end(ctx, r, query.Outcome{
			State: query.Cancelled, FinishedAt: s.Now(),
			Failure: &query.Failure{Code: query.CallerGone, Detail: "cancelled by its caller"},
		})
	}
	if err == nil && r.State != query.Cancelled {
		err = refuse(Finished, "", "the query has already %s", r.State)
	}
	return r, err
}

// Explanation reports why a query went where it went.
type Explanation struct {
	Record query.Record
	// Candidates are every model on every resource for the query's need, as
	// they stand now; empty when the need cannot be met any more, and of a query
	// without a record, of which nothing but its id is known.
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
	if !ok || r.Need.Task == "" {
		return e, nil
	}
	set := s.Settings()
	s.refreshView(ctx)
	n := r.Need
	n.Class, n.Constraints.LatencyMS = r.Class, query.Milliseconds(r.DeadlineAt.Sub(r.AcceptedAt))
	ranked, err := s.Chooser.Choose(n, s.offer(pool, r.Placement == placedDirect, s.Now(), set, profile.Decoding{}))
	if u := (*selection.Unsatisfiable)(nil); err != nil && !errors.As(err, &u) {
		return e, fmt.Errorf("explain query %s: %w", id, err)
	}
	e.Candidates = ranked.Candidates
	return e, nil
}
