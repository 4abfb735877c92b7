package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/feedback"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
	"paragon/shared/core/settings"
)

// The kinds of refusal that feedback adds.
const (
	AlreadyVoted Kind = "already-voted"
	NoAnswer     Kind = "no-answer"
	UnknownLabel Kind = "unknown-label"
)

// Feedback counts an owner's opinion of the answer to one of its queries. A
// query has one vote; the first counts.
func (s *Service) Feedback(ctx context.Context, owner, id string, o feedback.Opinion) error {
	if s.Votes == nil {
		return refuse(NotFound, "", "this home keeps no feedback")
	}
	r, err := s.Get(ctx, owner, id)
	if err != nil {
		return err
	}
	var labels []string
	if m, ok := s.Catalogue.Model(r.Model); ok {
		labels = s.Catalogue.LabelsOf(m)
	}
	v, err := feedback.VoteOn(r, owner, o, labels, s.Now())
	switch {
	case errors.Is(err, feedback.ErrNoAnswer):
		return refuse(NoAnswer, "", "query %s is %s: there is no answer to have an opinion of", id, r.State)
	case errors.Is(err, feedback.ErrNoLabel):
		return refuse(UnknownLabel, "label", "is not one of model %s's labels", r.Model)
	case err != nil:
		return fmt.Errorf("feedback on query %s: %w", id, err)
	}
	if err := s.Votes.Vote(ctx, id, v); errors.Is(err, cloud.ErrExists) {
		return refuse(AlreadyVoted, "", "query %s has its vote", id)
	} else if err != nil {
		return fmt.Errorf("feedback on query %s: %w", id, err)
	}
	s.learnt.forgetTime() // the caller sees what its vote did
	return nil
}

// learnt is what feedback has taught, read from the votes now and then.
type learnt struct {
	mu       sync.Mutex
	book     feedback.Book
	cursor   int64
	readAt   time.Time
	accuracy map[string]float64
}

// readVotesEvery is how old what was learnt may be, and readVotes how many
// votes are read at once.
const (
	readVotesEvery = 5 * time.Second
	readVotes      = 1000
)

func (l *learnt) forgetTime() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readAt = time.Time{}
}

// refresh reads the votes that came since, when it is time to.
func (l *learnt) refresh(ctx context.Context, s *Service, set settings.Settings) {
	now := s.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.readAt.IsZero() && now.Sub(l.readAt) < readVotesEvery {
		return
	}
	rules := feedbackRules(set)
	for {
		votes, cursor, err := s.Votes.VotesAfter(ctx, l.cursor, readVotes)
		if err != nil {
			s.Log.Warn("votes cannot be read; what was learnt before stays in use", "error", err)
			break
		}
		for _, v := range votes {
			l.book.Add(rules, v)
		}
		l.cursor = cursor
		if len(votes) < readVotes {
			break
		}
	}
	l.readAt = now
	l.accuracy = l.book.Accuracy(rules, s.Catalogue, now, nil)
}

func feedbackRules(set settings.Settings) feedback.Rules {
	r := feedback.DefaultRules()
	r.HalfLife = query.Duration(set.FeedbackHalfLifeHours * 3600 * 1000)
	r.OwnerShare = set.FeedbackOwnerShare
	return r
}

// accuracies are what selection takes instead of the profiles', nil while
// there are no votes.
func (s *Service) accuracies(set settings.Settings) map[string]float64 {
	if s.Votes == nil {
		return nil
	}
	s.learnt.mu.Lock()
	defer s.learnt.mu.Unlock()
	if len(s.learnt.accuracy) == 0 {
		return nil
	}
	if set.FeedbackSampling == "thompson" {
		return s.learnt.book.Accuracy(feedbackRules(set), s.Catalogue, s.Now(), rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return s.learnt.accuracy
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

// drifted are the models whose votes contradict their profiles.
func (s *Service) drifted(ctx context.Context, set settings.Settings) []feedback.Drifted {
	if s.Votes == nil {
		return nil
	}
	s.learnt.refresh(ctx, s, set)
	s.learnt.mu.Lock()
	defer s.learnt.mu.Unlock()
	return s.learnt.book.Drifts(feedbackRules(set), s.Catalogue, s.Now())
}
