package platformtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/platform"
)

var sharedCases = []contractCase{
	{"a key is claimed once", anyBackend, keyIsClaimedOnce},
	{"a forgotten key is free again", anyBackend, forgottenKeyIsFree},
	{"an attempt is replaced once", anyBackend, attemptIsReplacedOnce},
	{"a shared value changes from the version that was read", anyBackend, swapNeedsVersion},
	{"no change of a shared value is lost", anyBackend, noSwapIsLost},
	{"a line takes what fits, however many add to it", anyBackend, linesFill},
}

func attempt(owner, key, id string) platform.Attempt {
	return platform.Attempt{
		Owner: owner, Key: key, BodyHash: "body of " + id, ID: id, Owed: true,
		ForgetAt: time.Now().UTC().Truncate(time.Millisecond).Add(24 * time.Hour),
	}
}

// race has twenty attempts made at once under ann's key "k" and holds that one
// of them won and that all were given it. It returns the winner.
func race(t *testing.T, try func(a platform.Attempt) (platform.Attempt, bool, error)) platform.Attempt {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	var winners, held []platform.Attempt
	for i := range 20 {
		all.Go(func() {
			a := attempt("ann", "k", fmt.Sprint("id", i))
			h, won, err := try(a)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if won {
				winners = append(winners, a)
			}
			held = append(held, h)
		})
	}
	all.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d of 20 attempts won, want 1", len(winners))
	}
	for _, h := range held {
		if diff := cmp.Diff(winners[0], h); diff != "" {
			t.Errorf("the held attempt differs (-won +held):\n%s", diff)
		}
	}
	return winners[0]
}

func keyIsClaimedOnce(t *testing.T, s *suite) {
	keys := s.Backend.Attempts
	winner := race(t, func(a platform.Attempt) (platform.Attempt, bool, error) { return keys.ReserveKey(t.Context(), a) })
	held, won, err := keys.ReserveKey(t.Context(), winner)
	must(t, err)
	if !won || held.ID != winner.ID {
		t.Errorf("the winner's repeat: held %s, won %v", held.ID, won)
	}
	for _, other := range []platform.Attempt{attempt("bob", "k", "b"), attempt("ann", "other", "c"), attempt("an", "nk", "d")} {
		if held, won, err := keys.ReserveKey(t.Context(), other); err != nil || !won || held.ID != other.ID {
			t.Errorf("key %s of %s: held %+v, won %v, error %v", other.Key, other.Owner, held, won, err)
		}
	}
}

func forgottenKeyIsFree(t *testing.T, s *suite) {
	keys := s.Backend.Attempts
	soon := attempt("ann", "k", "a")
	soon.ForgetAt = time.Now().Add(s.Lease)
	_, won, err := keys.ReserveKey(t.Context(), soon)
	must(t, err)
	pass(s.Lease + 1100*time.Millisecond)
	if _, won, err := keys.ReplaceKey(t.Context(), "a", attempt("ann", "k", "b")); won || !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("replacing a forgotten attempt: won %v, %v; want ErrNotFound", won, err)
	}
	held, again, err := keys.ReserveKey(t.Context(), attempt("ann", "k", "c"))
	must(t, err)
	if !won || !again || held.ID != "c" {
		t.Errorf("claimed %v, then %v with %s held; want both to win", won, again, held.ID)
	}
}

func attemptIsReplacedOnce(t *testing.T, s *suite) {
	keys := s.Backend.Attempts
	if _, won, err := keys.ReplaceKey(t.Context(), "first", attempt("ann", "k", "x")); won || !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("replacing an attempt that is not there: won %v, %v; want ErrNotFound", won, err)
	}
	_, _, err := keys.ReserveKey(t.Context(), attempt("ann", "k", "first"))
	must(t, err)
	winner := race(t, func(a platform.Attempt) (platform.Attempt, bool, error) {
		return keys.ReplaceKey(t.Context(), "first", a)
	})
	if held, won, err := keys.ReplaceKey(t.Context(), "first", winner); err != nil || !won || held.ID != winner.ID {
		t.Errorf("the winner's repeat: held %s, won %v, error %v", held.ID, won, err)
	}
	held, won, err := keys.ReplaceKey(t.Context(), winner.ID, attempt("ann", "k", "next"))
	must(t, err)
	if !won || held.ID != "next" {
		t.Errorf("replacing the one that is held: held %s, won %v", held.ID, won)
	}
}

func swapNeedsVersion(t *testing.T, s *suite) {
	shared := s.Backend.Shared
	value, none, err := shared.ReadShared(t.Context(), "limits")
	must(t, err)
	if value != nil || none != 0 {
		t.Errorf("before the first: %q at version %d, want nil at 0", value, none)
	}
	if _, err := shared.SwapShared(t.Context(), "limits", []byte("x"), 7); !errors.Is(err, platform.ErrConflict) {
		t.Errorf("a change of a version that never was: %v, want ErrConflict", err)
	}
	first := []byte{0, 0xff, '\n', '"'}
	one, err := shared.SwapShared(t.Context(), "limits", first, none)
	must(t, err)
	two, err := shared.SwapShared(t.Context(), "limits", []byte("second"), one)
	must(t, err)
	for _, stale := range []int64{none, one} {
		if _, err := shared.SwapShared(t.Context(), "limits", []byte("stale"), stale); !errors.Is(err, platform.ErrConflict) {
			t.Errorf("a change of version %d, which is %d now: %v, want ErrConflict", stale, two, err)
		}
	}
	_, err = shared.SwapShared(t.Context(), "other", first, 0)
	must(t, err)
	for name, want := range map[string][]byte{"limits": []byte("second"), "other": first} {
		got, version, err := shared.ReadShared(t.Context(), name)
		must(t, err)
		if !bytes.Equal(got, want) || name == "limits" && version != two {
			t.Errorf("%s is %q at version %d, want %q", name, got, version, want)
		}
	}
}

// noSwapIsLost adds a hundred lines from five places at once. Where it is not
// known whether a line was stored, the value shows.
func noSwapIsLost(t *testing.T, s *suite) {
	add := func(line string) error {
		for {
			value, version, err := s.Backend.Shared.ReadShared(t.Context(), "lines")
			if err == nil && slices.Contains(strings.SplitAfter(string(value), "\n"), line) {
				return nil
			}
			if err == nil {
				_, err = s.Backend.Shared.SwapShared(t.Context(), "lines", append(bytes.Clone(value), line...), version)
			}
			if !errors.Is(err, platform.ErrConflict) && !errors.Is(err, platform.ErrUnavailable) {
				return err
			}
			pass(rand.N(50 * time.Millisecond)) // others first
		}
	}
	var all sync.WaitGroup
	for place := range 5 {
		all.Go(func() {
			for i := range 20 {
				if err := add(fmt.Sprintf("%d.%d\n", place, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	value, _, err := s.Backend.Shared.ReadShared(t.Context(), "lines")
	must(t, err)
	lines := strings.Fields(string(value))
	slices.Sort(lines)
	if n := len(slices.Compact(slices.Clone(lines))); n != 100 || len(lines) != 100 {
		t.Errorf("%d lines are there, %d of them different, want 100", len(lines), n)
	}
}

// linesFill has twenty processes add to one line at once: what fits is taken,
// the process that brings it, and no more.
func linesFill(t *testing.T, s *suite) {
	shared, from := s.Backend.Shared, time.Now().Truncate(time.Microsecond)
	const work, fit = 10 * time.Millisecond, 12
	latest := from.Add(fit*work + work/2)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, ok, err := shared.Reserve(t.Context(), "pool", from, latest, work)
			if err != nil {
				t.Error(err)
			}
			if ok {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != fit {
		t.Errorf("%d were taken, and %d fit", n, fit)
	}
	full := from.Add(fit * work)
	for _, c := range []struct {
		name         string
		line         string
		from, latest time.Time
		end          time.Time
		ok           bool
	}{
		{"a full line", "pool", from, latest, full, false},
		{"another line", "other", from, latest, from.Add(work), true},
		{"a little later bound", "pool", from, latest.Add(work), full.Add(work), true},
		{"a line that has ended", "pool", from.Add(time.Minute), from.Add(2 * time.Minute), from.Add(time.Minute + work), true},
		{"more than fits any line", "third", from, from.Add(work / 2), time.Time{}, false},
		{"exactly what fits", "third", from, from.Add(work), from.Add(work), true},
	} {
		end, ok, err := shared.Reserve(t.Context(), c.line, c.from, c.latest, work)
		if err != nil || ok != c.ok || !c.end.IsZero() && !end.Equal(c.end) {
			t.Errorf("%s: until %v, %v, error %v; want %v, %v", c.name, end, ok, err, c.end, c.ok)
		}
	}
}
