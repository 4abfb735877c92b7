package platformtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/platform"
)

var voteCases = []contractCase{
	{"a query has one vote", anyBackend, queryVotesOnce},
	{"of many votes at once on a query one counts", anyBackend, voteIsWonOnce},
	{"votes are read in the order of storing", anyBackend, votesInOrder},
	{"no reader misses a vote", anyBackend, noVoteIsMissed},
}

// vote is one of an owner's, cast some minutes ago.
func vote(owner string, minutesAgo int) feedback.Vote {
	at := time.Now().UTC().Truncate(time.Millisecond).Add(-time.Duration(minutesAgo) * time.Minute)
	return feedback.Vote{Task: "fashion", Model: "mlp", Owner: owner, Correct: minutesAgo%2 == 0, At: at}
}

// votesAfter reads all votes after a cursor, two at a time.
func (s *suite) votesAfter(t *testing.T, cursor int64) ([]feedback.Vote, int64) {
	t.Helper()
	var out []feedback.Vote
	for {
		page, next, err := s.Backend.Votes.VotesAfter(t.Context(), cursor, 2)
		must(t, err)
		if len(page) > 2 {
			t.Fatalf("%d votes came, 2 were asked for", len(page))
		}
		if len(page) == 0 {
			if next != cursor {
				t.Errorf("the cursor went from %d to %d with no vote", cursor, next)
			}
			return out, cursor
		}
		out, cursor = append(out, page...), next
	}
}

// queryVotesOnce holds that neither a repeat nor another owner adds a vote,
// and that the first stays as it was.
func queryVotesOnce(t *testing.T, s *suite) {
	first := vote("ann", 2)
	must(t, s.Backend.Votes.Vote(t.Context(), "q", first))
	for _, late := range []feedback.Vote{first, vote("ann", 1), vote("bob", 0)} {
		if err := s.Backend.Votes.Vote(t.Context(), "q", late); !errors.Is(err, platform.ErrExists) {
			t.Errorf("a second vote, of %s: %v, want ErrExists", late.Owner, err)
		}
	}
	must(t, s.Backend.Votes.Vote(t.Context(), "another", vote("bob", 1)))
	got, _ := s.votesAfter(t, 0)
	if diff := cmp.Diff([]feedback.Vote{first, vote("bob", 1)}, got, sameMinute); diff != "" {
		t.Errorf("votes (-want +got):\n%s", diff)
	}
}

// sameMinute compares times that two calls of vote made.
var sameMinute = cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Minute/2 })

func voteIsWonOnce(t *testing.T, s *suite) {
	const voters = 8
	errs := make([]error, voters)
	var all sync.WaitGroup
	for i := range voters {
		all.Go(func() { errs[i] = s.Backend.Votes.Vote(t.Context(), "q", vote(fmt.Sprint("owner", i), i)) })
	}
	all.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case !errors.Is(err, platform.ErrExists):
			t.Errorf("voter %d: %v, want one to win and ErrExists for the others", i, err)
		}
	}
	got, _ := s.votesAfter(t, 0)
	if len(got) != 1 || won < 0 || got[0].Owner != fmt.Sprint("owner", won) {
		t.Errorf("votes %+v, want that of voter %d alone", got, won)
	}
}

// votesInOrder holds that a vote which was cast early and comes late is read
// after those that were stored before it: a reader never has to look back.
func votesInOrder(t *testing.T, s *suite) {
	none, start := s.votesAfter(t, 0)
	if len(none) != 0 || start != 0 {
		t.Errorf("an empty backend has the votes %+v up to %d", none, start)
	}
	for i, minutesAgo := range []int{3, 2, 1} {
		must(t, s.Backend.Votes.Vote(t.Context(), fmt.Sprint("q", i), vote(fmt.Sprint("owner", i), minutesAgo)))
	}
	early, cursor := s.votesAfter(t, 0)
	must(t, s.Backend.Votes.Vote(t.Context(), "late", vote("late", 60)))
	late, _ := s.votesAfter(t, cursor)
	var owners []string
	for _, v := range append(early, late...) {
		owners = append(owners, v.Owner)
	}
	if diff := cmp.Diff([]string{"owner0", "owner1", "owner2", "late"}, owners); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// noVoteIsMissed reads while many vote: the pages, put together, hold every
// vote exactly once.
func noVoteIsMissed(t *testing.T, s *suite) {
	const voters = 6
	var all sync.WaitGroup
	for i := range voters {
		all.Go(func() {
			if err := s.Backend.Votes.Vote(t.Context(), fmt.Sprint("q", i), vote(fmt.Sprint("owner", i), i)); err != nil {
				t.Errorf("voter %d: %v", i, err)
			}
		})
	}
	during, cursor := s.votesAfter(t, 0)
	all.Wait()
	after, _ := s.votesAfter(t, cursor)
	seen := map[string]int{}
	for _, v := range append(during, after...) {
		seen[v.Owner]++
	}
	for i := range voters {
		if n := seen[fmt.Sprint("owner", i)]; n != 1 {
			t.Errorf("the vote of owner %d was read %d times", i, n)
		}
	}
}
