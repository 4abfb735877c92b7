package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
)

// notes is a roster that notes what is reported to it, and fails on request.
type notes struct {
	said []string
	err  error
}

func (n *notes) note(what, id string) error {
	n.said = append(n.said, what+" "+id)
	return n.err
}

func (n *notes) PassOver(id string)                          { n.said = append(n.said, "pass over "+id) }
func (n *notes) Suspend(_ context.Context, id string) error  { return n.note("suspend", id) }
func (n *notes) Resume(_ context.Context, id string) error   { return n.note("resume", id) }
func (n *notes) MarkGone(_ context.Context, id string) error { return n.note("gone", id) }

// A worker is taken out by its first failed check, in by the next that it passes, and
// replaced by the tenth in a row; what could not be noted is tried again. One that held an
// overdue request gets no messages until its next check.
func TestAWorkerThatDoesNotAnswerIsTakenOut(t *testing.T) {
	const overdue = -1 // between two checks
	for _, c := range []struct {
		name     string
		failures []int
		fails    bool // the roster's first call
		want     []string
	}{
		{"well", []int{0, 0}, false, nil},
		{"unwell for a while", []int{0, 1, 2, 3, 0, 0}, false, []string{"suspend w", "resume w"}},
		{"twice", []int{1, 0, 1}, false, []string{"suspend w", "resume w", "suspend w"}},
		{"for ever", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false, []string{"suspend w", "gone w"}},
		{"overdue, and frozen", []int{0, overdue, overdue, 1, overdue, 2, 0}, false, []string{"pass over w", "suspend w", "resume w"}},
		{"overdue, and slow", []int{overdue, 0, 0, overdue}, false, []string{"pass over w", "resume w", "pass over w"}},
		{"not noted", []int{1, 2, 3, 0}, true, []string{"suspend w", "suspend w", "resume w"}},
	} {
		n := &notes{}
		f := newFront(own, atMost(1), never, nil, n, slog.New(slog.DiscardHandler))
		for i, failures := range c.failures {
			n.err = nil
			if c.fails && i == 0 {
				n.err = errors.New("no room")
			}
			if failures == overdue {
				f.passOver("w")
				continue
			}
			f.checked(t.Context(), "w", failures)
		}
		if !slices.Equal(n.said, c.want) {
			t.Errorf("%s: %q, want %q", c.name, n.said, c.want)
		}
	}
}

// Each worker is judged by itself.
func TestWorkersAreTakenOutOneByOne(t *testing.T) {
	n := &notes{}
	f := newFront(own, atMost(1), never, nil, n, slog.New(slog.DiscardHandler))
	for i := range 3 {
		f.checked(t.Context(), fmt.Sprint("w", i), i)
	}
	if want := []string{"suspend w1", "suspend w2"}; !slices.Equal(n.said, want) {
		t.Errorf("%q, want %q", n.said, want)
	}
}
