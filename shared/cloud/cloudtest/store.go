package cloudtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

var storeCases = []contractCase{
	{"an accepted query is stored and sent", anyHome, acceptStoresAndSends},
	{"a repeat gets the first query", quietHome, repeatGetsFirst},
	{"fifty at once are one query", anyHome, fiftyAreOne},
	{"a forgotten id is free again", anyHome, forgottenIsFree},
	{"the first end wins", anyHome, firstEndWins},
	{"an end is terminal, and of a query that is there", anyHome, badEnds},
	{"states of those that exist", anyHome, statesOfMany},
	{"expired queries come oldest first", anyHome, expiredInOrder},
	{"forgotten queries are not found", forgetfulHome, forgets},
	{"recent queries by owner, newest first", anyHome, recentByOwner},
}

func acceptStoresAndSends(t *testing.T, s *suite) {
	want := record("a")
	want.Trail = query.Trail{{At: want.AcceptedAt, Event: query.StepPlaced, Where: "work", Why: "slot_in_time"}}
	s.accept(t, want)
	got, err := s.Home.Store.Get(t.Context(), "a")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the stored query differs (-given +stored):\n%s", diff)
	}
	if d := s.take(t, strictQueue); d.Message.ID != "a" {
		t.Errorf("message %s came, want a", d.Message.ID)
	}
	if _, err := s.Home.Store.Get(t.Context(), "b"); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("getting an unknown query: %v, want ErrNotFound", err)
	}
}

func repeatGetsFirst(t *testing.T, s *suite) {
	first := record("k1")
	first.BodyHash = "one"
	s.accept(t, first)
	must(t, s.Home.Queues.Delete(t.Context(), s.take(t, strictQueue)))
	_, _, err := s.Home.Store.Finish(t.Context(), "k1", succeeded("Bag"))
	must(t, err)

	other := record("k1")
	other.BodyHash, other.Owner = "two", "bob"
	got, fresh, err := s.Home.Store.Accept(t.Context(), other, strictQueue, message("k1"))
	must(t, err)
	if fresh || got.BodyHash != "one" || got.Owner != "ann" || got.State != query.Succeeded {
		t.Errorf("the repeat got %+v (new: %v), want the first query as it is now", got, fresh)
	}
	s.empty(t, strictQueue)
}

func fiftyAreOne(t *testing.T, s *suite) {
	var mu sync.Mutex
	var all sync.WaitGroup
	created := 0
	for range 50 {
		all.Go(func() {
			_, fresh, err := s.Home.Store.Accept(t.Context(), record("k1"), strictQueue, message("k1"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if fresh {
				created++
			}
		})
	}
	all.Wait()
	if created != 1 {
		t.Errorf("%d of 50 equal accepts created the query, want 1", created)
	}
}

func forgottenIsFree(t *testing.T, s *suite) {
	old := record("k1")
	old.ForgetAt, old.BodyHash = time.Now().Add(s.Lease), "one"
	s.accept(t, old)
	pass(s.Lease + time.Second)
	if _, err := s.Home.Store.Get(t.Context(), "k1"); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("getting a forgotten query: %v, want ErrNotFound", err)
	}
	next := record("k1")
	next.BodyHash = "two"
	s.accept(t, next)
	got, err := s.Home.Store.Get(t.Context(), "k1")
	must(t, err)
	if got.BodyHash != "two" {
		t.Errorf("the stored query has body %q, want the new one", got.BodyHash)
	}
}

func firstEndWins(t *testing.T, s *suite) {
	s.accept(t, record("a"))
	var mu sync.Mutex
	var all sync.WaitGroup
	var won, seen []string
	for i := range 20 {
		all.Go(func() {
			label := fmt.Sprint("label ", i)
			r, first, err := s.Home.Store.Finish(t.Context(), "a", succeeded(label))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if first {
				won = append(won, label)
			}
			seen = append(seen, r.Outcome.Result.Label)
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of 20 ends won, want 1", len(won))
	}
	for _, label := range seen {
		if label != won[0] {
			t.Errorf("an end was told %q, want the winner's %q", label, won[0])
		}
	}
	r, err := s.Home.Store.Get(t.Context(), "a")
	must(t, err)
	if r.Outcome.Result.Label != won[0] {
		t.Errorf("stored is %q, want the winner's %q", r.Outcome.Result.Label, won[0])
	}
}

func badEnds(t *testing.T, s *suite) {
	s.accept(t, record("a"))
	if _, won, err := s.Home.Store.Finish(t.Context(), "a", query.Outcome{State: query.Running}); err == nil || won {
		t.Errorf("finishing as running: won %v, %v; want an error", won, err)
	}
	if _, won, err := s.Home.Store.Finish(t.Context(), "b", succeeded("x")); !errors.Is(err, cloud.ErrNotFound) || won {
		t.Errorf("finishing an unknown query: won %v, %v; want ErrNotFound", won, err)
	}
}

func statesOfMany(t *testing.T, s *suite) {
	for _, id := range []string{"a", "b", "c"} {
		s.accept(t, record(id))
	}
	_, _, err := s.Home.Store.Finish(t.Context(), "b", query.Outcome{State: query.Cancelled, FinishedAt: time.Now()})
	must(t, err)
	got, err := s.Home.Store.States(t.Context(), "a", "b", "nothing")
	must(t, err)
	if diff := cmp.Diff(map[string]query.State{"a": query.Placed, "b": query.Cancelled}, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	got, err = s.Home.Store.States(t.Context())
	must(t, err)
	if len(got) != 0 {
		t.Errorf("the states of no query are %v", got)
	}
}

func ids(rs []query.Record) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.ID)
	}
	return out
}

func expiredInOrder(t *testing.T, s *suite) {
	now := time.Now()
	for i, id := range []string{"c", "a", "late", "done", "b"} {
		r := record(id)
		r.ExpiresAt = now.Add(time.Duration(i-10) * time.Second)
		if id == "late" {
			r.ExpiresAt = now.Add(time.Hour)
		}
		s.accept(t, r)
	}
	_, _, err := s.Home.Store.Finish(t.Context(), "done", succeeded("x"))
	must(t, err)
	got, err := s.Home.Store.Expired(t.Context(), now, 10)
	must(t, err)
	if diff := cmp.Diff([]string{"c", "a", "b"}, ids(got)); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	got, err = s.Home.Store.Expired(t.Context(), now, 2)
	must(t, err)
	if diff := cmp.Diff([]string{"c", "a"}, ids(got)); diff != "" {
		t.Errorf("the first two expired (-want +got):\n%s", diff)
	}
}

func forgets(t *testing.T, s *suite) {
	soon := record("soon")
	soon.ForgetAt = time.Now().Add(time.Hour)
	s.accept(t, soon)
	s.accept(t, record("late"))
	for _, want := range []int{1, 0} {
		n, err := s.Home.Store.Forget(t.Context(), time.Now().Add(2*time.Hour))
		must(t, err)
		if n != want {
			t.Errorf("%d queries were forgotten, want %d", n, want)
		}
	}
	if _, err := s.Home.Store.Get(t.Context(), "soon"); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("getting a forgotten query: %v, want ErrNotFound", err)
	}
	_, err := s.Home.Store.Get(t.Context(), "late")
	must(t, err)
}

func recentByOwner(t *testing.T, s *suite) {
	now := time.Now()
	for i, id := range []string{"b", "d", "a", "c"} {
		r := record(id)
		r.AcceptedAt = now.Add(time.Duration(i) * time.Second)
		r.Owner = []string{"ann", "bob"}[i%2]
		s.accept(t, r)
	}
	for _, c := range []struct {
		owner string
		limit int
		want  []string
	}{
		{"ann", 10, []string{"a", "b"}},
		{"bob", 10, []string{"c", "d"}},
		{"", 10, []string{"c", "a", "d", "b"}},
		{"", 2, []string{"c", "a"}},
		{"eve", 10, []string{}},
	} {
		got, err := s.Home.Store.Recent(t.Context(), c.owner, c.limit)
		must(t, err)
		if !slices.Equal(c.want, ids(got)) {
			t.Errorf("the newest %d of %q are %v, want %v", c.limit, c.owner, ids(got), c.want)
		}
	}
}
