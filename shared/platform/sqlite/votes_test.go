package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestVotesComeInOrderAndOnceAQuery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		v := feedback.Vote{Task: "t", Model: "m", Owner: fmt.Sprint(i), Correct: i%2 == 0, At: time.Unix(int64(i), 0).UTC()}
		if err := h.Vote(t.Context(), fmt.Sprint("q", i), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Vote(t.Context(), "q3", feedback.Vote{Owner: "another"}); !errors.Is(err, platform.ErrExists) {
		t.Errorf("a second vote: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	again := openAt(t, path, Options{})
	first, cursor, err := again.VotesAfter(t.Context(), 0, 3)
	if err != nil || len(first) != 3 || first[2].Owner != "2" || !first[2].Correct {
		t.Fatalf("%+v, %v", first, err)
	}
	rest, cursor, err := again.VotesAfter(t.Context(), cursor, 3)
	if err != nil || len(rest) != 2 || rest[0].Owner != "3" || !rest[1].At.Equal(time.Unix(4, 0)) {
		t.Errorf("%+v, %v", rest, err)
	}
	if none, same, err := again.VotesAfter(t.Context(), cursor, 3); err != nil || len(none) != 0 || same != cursor {
		t.Errorf("%+v, %d, %v", none, same, err)
	}
}

func TestOldVotesAreForgotten(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	h := open(t, Options{Now: func() time.Time { return now }})
	if err := h.Vote(t.Context(), "old", feedback.Vote{Owner: "a"}); err != nil {
		t.Fatal(err)
	}
	now = now.Add((platform.VotesKeptDays + 1) * 24 * time.Hour)
	if err := h.Vote(t.Context(), "new", feedback.Vote{Owner: "b"}); err != nil {
		t.Fatal(err)
	}
	if left, _, err := h.VotesAfter(t.Context(), 0, 10); err != nil || len(left) != 1 || left[0].Owner != "b" {
		t.Errorf("%+v, %v", left, err)
	}
}
