package platform

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// ErrExists says that what can be there once is there already.
var ErrExists = errors.New("already exists")

// Votes keeps what callers say of answers: one vote a query.
type Votes interface {
	// Vote stores the vote on a query. ErrExists when it has one.
	Vote(ctx context.Context, queryID string, v feedback.Vote) error
	// VotesAfter returns up to limit votes in the order in which they were
	// stored, those after a cursor, and the cursor of the last; 0 is before the
	// first. Votes older than VotesKeptDays may be forgotten.
	VotesAfter(ctx context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error)
}

// VotesKeptDays is how long votes are kept: longer than a query is, so that it
// has one, and long enough for a book to be put together anew.
const VotesKeptDays = 30

const (
	// VotesFresh is for how long the votes that were read need not be read again, and
	// votesAtOnce how many are read by a call.
	VotesFresh  = 5 * time.Second
	votesAtOnce = 1000
)

// VoteBook is what the votes that were read say of the models. The zero value has read
// none. It is safe for concurrent use, but for Read.
type VoteBook struct {
	cursor int64 // of the votes that were read; one Read at a time holds it

	mu   sync.Mutex // guards what follows
	book feedback.Book
}

// Read adds the votes that came since it was called last. What was read before an error
// counts.
func (b *VoteBook) Read(ctx context.Context, from Votes, r feedback.Rules) error {
	for {
		votes, cursor, err := from.VotesAfter(ctx, b.cursor, votesAtOnce)
		if err != nil {
			return err
		}
		b.cursor = cursor
		b.add(r, votes)
		if len(votes) < votesAtOnce {
			return nil
		}
	}
}

func (b *VoteBook) add(r feedback.Rules, votes []feedback.Vote) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range votes {
		b.book.Add(r, v)
	}
}

// Posterior is what is believed of a model.
func (b *VoteBook) Posterior(r feedback.Rules, m *profile.Model, now time.Time) feedback.Posterior {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Posterior(r, m, now)
}

// Accuracy is what selection takes instead of the profiles' accuracies, as
// feedback.Book has it.
func (b *VoteBook) Accuracy(r feedback.Rules, c *profile.Catalogue, now time.Time, src rand.Source) map[string]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Accuracy(r, c, now, src)
}

// Drifts are the models whose votes contradict their profiles.
func (b *VoteBook) Drifts(r feedback.Rules, c *profile.Catalogue, now time.Time) []feedback.Drifted {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Drifts(r, c, now)
}
