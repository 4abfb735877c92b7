package platform

import (
	"context"
	"errors"

	"github.com/paragon-serving/paragon/shared/core/feedback"
)

// ErrExists says that what can be there once is there already.
var ErrExists = errors.New("there already")

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
