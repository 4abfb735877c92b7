package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// The kinds of refusal that feedback adds.
const (
	AlreadyVoted Kind = "already-voted"
	NoAnswer     Kind = "no-answer"
	UnknownLabel Kind = "unknown-label"
	BadReceipt   Kind = "bad-receipt" // not one that came with this query's answer
)

// Feedback counts an owner's opinion of the answer to one of its queries. A
// query has one vote; the first counts. The receipt that came with the answer
// stands for the query's record; without one the record must have been kept.
func (s *Service) Feedback(ctx context.Context, owner, id, receipt string, o feedback.Opinion) error {
	if s.Votes == nil {
		return refuse(NotFound, "", "this stage does not accept feedback")
	}
	r, err := s.voted(ctx, owner, id, receipt)
	if err != nil {
		return err
	}
	var labels []string
	catalogue := s.Catalogue.Current()
	if m, ok := catalogue.Model(r.Model); ok {
		labels = catalogue.LabelsOf(m)
	}
	v, err := feedback.VoteOn(r, owner, o, labels, s.Now())
	switch {
	case errors.Is(err, feedback.ErrNoAnswer):
		return refuse(NoAnswer, "", "query %s has no answer to vote on: its state is %s", id, r.State)
	case errors.Is(err, feedback.ErrNoLabel):
		return refuse(UnknownLabel, "label", "is not one of model %s's labels", r.Model)
	case err != nil:
		return fmt.Errorf("feedback on query %s: %w", id, err)
	}
	if err := s.Votes.Vote(ctx, id, v); errors.Is(err, platform.ErrExists) {
		return refuse(AlreadyVoted, "", "query %s already has a vote", id)
	} else if err != nil {
		return fmt.Errorf("feedback on query %s: %w", id, err)
	}
	s.votes.Expire()
	return nil
}

// voted is the query that an opinion is of: by its receipt, or as it was kept.
func (s *Service) voted(ctx context.Context, owner, id, receipt string) (query.Record, error) {
	if receipt == "" {
		r, err := s.Get(ctx, owner, id)
		if no, ok := errors.AsType[*Refusal](err); ok && no.Kind == AnsweredDirectly {
			err = refuse(AnsweredDirectly, "receipt", "is missing: the query was answered directly and was not stored; send the receipt that came with the answer")
		}
		return r, err
	}
	if _, err := s.parse(owner, id); err != nil {
		return query.Record{}, err
	}
	got, err := s.Keys.ParseReceipt(receipt)
	switch {
	case err != nil:
		return query.Record{}, refuse(BadReceipt, "receipt", "is not a receipt of this stage")
	case got.ID != id || got.Owner != signed.HashOwner(owner):
		return query.Record{}, refuse(BadReceipt, "receipt", "belongs to the answer of another query")
	case s.Now().After(got.Until):
		return query.Record{}, refuse(BadReceipt, "receipt", "expired at %s", got.Until.Format(time.RFC3339))
	}
	return query.Record{
		ID: id, Owner: owner, State: query.Succeeded, Need: query.Need{Task: got.Task}, Model: got.Model,
		Outcome: &query.Outcome{State: query.Succeeded, Result: &query.Result{Label: got.Label}},
	}, nil
}

// newVotes caches what selection takes for the models' accuracies, by what the
// votes say. The first caller waits for it; later ones go on with what was learnt
// before while it is read.
func (s *Service) newVotes() *cache.Cache[map[string]float64] {
	return cache.New(cache.Options[map[string]float64]{
		Fetch: s.readLearnt, Timeout: refreshTime, Now: s.Now,
		TTL: func(map[string]float64) time.Duration { return platform.VotesFresh },
	})
}

// refreshLearnt has the votes that came since read, when it is time to.
func (s *Service) refreshLearnt(ctx context.Context) { _, _ = s.votes.Get(ctx) }

// readLearnt reads the votes that came since, and learns from them. What was read
// before an error counts.
func (s *Service) readLearnt(ctx context.Context) (map[string]float64, error) {
	rules := feedback.RulesOf(s.Settings())
	if err := s.learnt.Read(ctx, s.Votes, rules); err != nil {
		s.Log.Warn("could not read votes; the accuracies learned before stay in use", "error", err)
	}
	return s.learnt.Accuracy(rules, s.catalogue(), s.Now(), nil), nil
}

// accuracies are what selection takes instead of the profiles', nil while
// there are no votes.
func (s *Service) accuracies(set settings.Settings) map[string]float64 {
	if s.Votes == nil {
		return nil
	}
	accuracy := s.votes.Peek()
	if len(accuracy) == 0 {
		return nil
	}
	if set.FeedbackSampling == "thompson" {
		return s.learnt.Accuracy(feedback.RulesOf(set), s.catalogue(), s.Now(), rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return accuracy
}

// pick chooses; once there are votes, a small share of the queries explores.
// Where what was learnt leaves nothing within the bounds, the profiles decide:
// feedback moves choices, and refuses nobody.
func (s *Service) pick(n query.Need, o selection.Offer, set settings.Settings) (selection.Candidate, query.Class, error) {
	if len(o.Accuracy) == 0 {
		return s.Chooser.Pick(n, o)
	}
	c, class, err := selection.Explore(n, o, set.ExploreShare, rand.Float64, rand.IntN)
	var u *selection.Unsatisfiable
	if errors.As(err, &u) {
		o.Accuracy = nil
		return s.Chooser.Pick(n, o)
	}
	return c, class, err
}

// Posterior is what callers' votes say of a model, or of a version of one.
func (s *Service) Posterior(ctx context.Context, m *profile.Model) feedback.Posterior {
	if s.Votes == nil {
		return feedback.Posterior{}
	}
	s.refreshLearnt(ctx)
	return s.learnt.Posterior(feedback.RulesOf(s.Settings()), m, s.Now())
}

// drifted are the models whose votes contradict their profiles.
func (s *Service) drifted(ctx context.Context, set settings.Settings) []feedback.Drifted {
	if s.Votes == nil {
		return nil
	}
	s.refreshLearnt(ctx)
	return s.learnt.Drifts(feedback.RulesOf(set), s.catalogue(), s.Now())
}
