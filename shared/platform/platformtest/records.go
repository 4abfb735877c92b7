package platformtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

var recordCases = []contractCase{
	{"a record is read as it was put", anyBackend, recordIsKept},
	{"the first record of a query is held", anyBackend, firstRecordIsHeld},
	{"the very same record may be put again", anyBackend, sameRecordAgain},
	{"a record that loses is counted", anyBackend, lateRecordIsCounted},
	{"a forgotten record counts as absent", anyBackend, forgottenRecordIsAbsent},
	{"a record that cannot be is refused", anyBackend, badRecords},
	{"an id that was never signed has no record", anyBackend, unsignedIDs},
	{"a wait ends with the record", anyBackend, awaitRecord},
	{"end states of those that have a record", anyBackend, endStates},
	{"an owner's records, newest first", anyBackend, listRecords},
	{"samples of all owners by time", anyBackend, sampleRecords},
}

// stageKeys sign the ids of these cases.
var stageKeys = func() signed.Keys {
	k, err := signed.NewKeys([]byte("the key of the contract's stage"))
	if err != nil {
		panic(err) // it is long enough
	}
	return k
}()

// ended makes the terminal record of a query that was accepted at that time.
func ended(t *testing.T, kind signed.Kind, owner string, acceptedAt time.Time) query.Record {
	t.Helper()
	m, err := signedMessage(kind, owner, acceptedAt)
	must(t, err)
	return m.Ended(succeeded("Bag"))
}

// signedMessage makes a message whose id is signed, of a query that was accepted
// at that time.
func signedMessage(kind signed.Kind, owner string, acceptedAt time.Time) (query.Message, error) {
	m := message("")
	m.Owner, m.AcceptedAt = owner, acceptedAt.UTC().Truncate(time.Millisecond)
	m.DeadlineAt, m.ExpiresAt, m.ForgetAt = m.AcceptedAt.Add(time.Second), m.AcceptedAt.Add(time.Minute), m.AcceptedAt.Add(24*time.Hour)
	m.Need, m.Placement = query.Need{Task: m.Task, Constraints: query.Constraints{LatencyMS: 100}}, string(strictQueue)
	id, err := signed.NewID(rand.Reader, kind, owner, m.AcceptedAt, m.ExpiresAt, m.ForgetAt)
	if err != nil {
		return m, err
	}
	m.ID = stageKeys.SignID(id)
	m.Input.Data = []byte(m.ID)
	return m, nil
}

// labeled returns a record that ended with another answer.
func labeled(r query.Record, label string) query.Record {
	o := succeeded(label)
	r.Outcome = &o
	return r
}

// put stores a record, which must be the first.
func (s *suite) put(t *testing.T, r query.Record) {
	t.Helper()
	_, won, err := s.Backend.Records.PutRecord(t.Context(), r)
	must(t, err)
	if !won {
		t.Fatalf("query %s had a record before", r.ID)
	}
}

func ids(rs []query.Record) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.ID)
	}
	return out
}

func recordIsKept(t *testing.T, s *suite) {
	for _, kind := range []signed.Kind{signed.Stored, signed.Direct} {
		want := ended(t, kind, "ann", time.Now())
		want.Trail = query.Trail{{At: want.AcceptedAt, Event: query.StepPlaced, Where: "work", Why: "slot_in_time"}}
		if _, err := s.Backend.Records.GetRecord(t.Context(), want.ID); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("getting a record before it was put: %v, want ErrNotFound", err)
		}
		held, won, err := s.Backend.Records.PutRecord(t.Context(), want)
		must(t, err)
		if diff := cmp.Diff(want, held); diff != "" || !won {
			t.Errorf("won %v, and the held record differs (-put +held):\n%s", won, diff)
		}
		got, err := s.Backend.Records.GetRecord(t.Context(), want.ID)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the record differs (-put +got):\n%s", diff)
		}
	}
}

func firstRecordIsHeld(t *testing.T, s *suite) {
	r := ended(t, signed.Stored, "ann", time.Now())
	var mu sync.Mutex
	var all sync.WaitGroup
	var winners, held []string
	for i := range 20 {
		all.Go(func() {
			mine := labeled(r, fmt.Sprint("label ", i))
			h, won, err := s.Backend.Records.PutRecord(t.Context(), mine)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if won {
				winners = append(winners, mine.Outcome.Result.Label)
			}
			held = append(held, h.Outcome.Result.Label)
		})
	}
	all.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d of 20 records won, want 1", len(winners))
	}
	got, err := s.Backend.Records.GetRecord(t.Context(), r.ID)
	must(t, err)
	for _, label := range append(held, got.Outcome.Result.Label) {
		if label != winners[0] {
			t.Errorf("held is %q, want the winner's %q", label, winners[0])
		}
	}
}

func sameRecordAgain(t *testing.T, s *suite) {
	r := ended(t, signed.Stored, "ann", time.Now())
	s.put(t, r)
	for range 2 {
		if held, won, err := s.Backend.Records.PutRecord(t.Context(), r); err != nil || !won || held.ID != r.ID {
			t.Errorf("the repeat: held %s, won %v, error %v", held.ID, won, err)
		}
	}
	other := labeled(r, "Coat")
	if held, won, err := s.Backend.Records.PutRecord(t.Context(), other); err != nil || won || held.Outcome.Result.Label != "Bag" {
		t.Errorf("another record: held %+v, won %v, error %v; want the first", held.Outcome, won, err)
	}
}

func lateRecordIsCounted(t *testing.T, s *suite) {
	r := ended(t, signed.Stored, "ann", time.Now())
	s.put(t, r)
	s.put(t, r) // no other record, and thus not late
	for _, label := range []string{"Coat", "Shirt"} {
		_, _, err := s.Backend.Records.PutRecord(t.Context(), labeled(r, label))
		must(t, err)
	}
	now := time.Now()
	got, err := s.Backend.Metrics.Series(t.Context(), platform.LateWrites, nil, now.Add(-time.Minute), now.Add(time.Minute), time.Second)
	must(t, err)
	var sum float64
	for _, of := range got {
		sum += of.Sum
	}
	if sum != 2 {
		t.Errorf("late writes are %+v, want 2", got)
	}
}

func forgottenRecordIsAbsent(t *testing.T, s *suite) {
	soon := ended(t, signed.Stored, "ann", time.Now())
	soon.ForgetAt = time.Now().Add(s.Lease)
	s.put(t, soon)
	pass(s.Lease + 1100*time.Millisecond)
	if _, err := s.Backend.Records.GetRecord(t.Context(), soon.ID); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("getting a forgotten record: %v, want ErrNotFound", err)
	}
	states, err := s.Backend.Records.EndStates(t.Context(), soon.ID)
	must(t, err)
	list, err := s.Backend.Records.ListRecords(t.Context(), "ann", 10)
	must(t, err)
	if len(states) > 0 || len(list) > 0 {
		t.Errorf("a forgotten record has the state %v and is listed as %v", states, ids(list))
	}
	anew := labeled(soon, "Coat")
	anew.ForgetAt = time.Now().Add(time.Hour)
	s.put(t, anew)
	got, err := s.Backend.Records.GetRecord(t.Context(), soon.ID)
	must(t, err)
	if got.Outcome.Result.Label != "Coat" {
		t.Errorf("held is %q, want the record that was put anew", got.Outcome.Result.Label)
	}
}

func badRecords(t *testing.T, s *suite) {
	unfinished := ended(t, signed.Stored, "ann", time.Now())
	unfinished.State, unfinished.Outcome = query.Accepted, nil
	foreign := ended(t, signed.Stored, "ann", time.Now())
	foreign.Owner = "bob"
	odd := ended(t, signed.Kind('x'), "ann", time.Now())
	unsigned := ended(t, signed.Stored, "ann", time.Now())
	unsigned.ID = "q1"
	for name, r := range map[string]query.Record{"unfinished": unfinished, "of another owner than its id": foreign, "of no kind": odd, "with a made-up id": unsigned} {
		if _, won, err := s.Backend.Records.PutRecord(t.Context(), r); err == nil || won {
			t.Errorf("a record %s: won %v, error %v; want an error", name, won, err)
		}
	}
	for _, owner := range []string{"ann", "bob"} {
		list, err := s.Backend.Records.ListRecords(t.Context(), owner, 10)
		must(t, err)
		if len(list) > 0 {
			t.Errorf("a refused record is listed: %v", ids(list))
		}
	}
}

func unsignedIDs(t *testing.T, s *suite) {
	for _, id := range []string{"", "q1", "../q", "key#" + signed.HashOwner("ann").String()} {
		if _, err := s.Backend.Records.GetRecord(t.Context(), id); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("getting %q: %v, want ErrNotFound", id, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := s.Backend.Records.AwaitRecord(ctx, id); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("awaiting %q: %v, want ErrNotFound", id, err)
		}
		cancel()
		states, err := s.Backend.Records.EndStates(t.Context(), id)
		must(t, err)
		if len(states) > 0 {
			t.Errorf("%q has the states %v", id, states)
		}
	}
}

func awaitRecord(t *testing.T, s *suite) {
	before, during, never := ended(t, signed.Stored, "ann", time.Now()), ended(t, signed.Stored, "ann", time.Now()), ended(t, signed.Stored, "ann", time.Now())
	s.put(t, before)
	got, err := s.Backend.Records.AwaitRecord(t.Context(), before.ID)
	must(t, err)
	if diff := cmp.Diff(before, got); diff != "" {
		t.Errorf("a record that was there differs (-put +got):\n%s", diff)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Backend.Records.AwaitRecord(gone, before.ID); err != nil {
		t.Errorf("a record that was there when the wait ended: %v", err)
	}

	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			got, err := s.Backend.Records.AwaitRecord(t.Context(), during.ID)
			if diff := cmp.Diff(during, got); err != nil || diff != "" {
				t.Errorf("error %v; a record that came differs (-put +got):\n%s", err, diff)
			}
		})
	}
	pass(100 * time.Millisecond)
	start := time.Now()
	s.put(t, during)
	waiting.Wait()
	s.prompt(t, "the end of the waits", start)

	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Backend.Records.AwaitRecord(short, never.ID); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a record that never came: %v, want ErrNotFound", err)
	}
}

func endStates(t *testing.T, s *suite) {
	good, kept, failed := ended(t, signed.Stored, "ann", time.Now()), ended(t, signed.Direct, "bob", time.Now()), ended(t, signed.Stored, "ann", time.Now())
	failed.State, failed.Outcome = query.Failed, &query.Outcome{State: query.Failed}
	for _, r := range []query.Record{good, kept, failed} {
		s.put(t, r)
	}
	ask := []string{good.ID, kept.ID, "no id", failed.ID, good.ID}
	for range 120 { // more than one batch, on any backend
		ask = append(ask, ended(t, signed.Stored, "ann", time.Now()).ID)
	}
	got, err := s.Backend.Records.EndStates(t.Context(), ask...)
	must(t, err)
	want := map[string]query.State{good.ID: query.Succeeded, kept.ID: query.Succeeded, failed.ID: query.Failed}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	got, err = s.Backend.Records.EndStates(t.Context())
	must(t, err)
	if len(got) != 0 {
		t.Errorf("the states of no query are %v", got)
	}
}

func listRecords(t *testing.T, s *suite) {
	now := time.Now()
	var anns []string // newest first
	for _, i := range []int{3, 0, 7, 5, 1, 6, 2, 4} {
		s.put(t, ended(t, signed.Direct, "ann", now.Add(time.Duration(i)*time.Second))) // no part of any list
		s.put(t, ended(t, signed.Stored, "bob", now.Add(time.Duration(i)*time.Second)))
		r := ended(t, signed.Stored, "ann", now.Add(time.Duration(i)*time.Second))
		s.put(t, r)
		anns = append(anns, r.ID)
	}
	slices.Sort(anns)
	slices.Reverse(anns)
	for _, c := range []struct {
		owner string
		limit int
		want  []string
	}{{"ann", 20, anns}, {"ann", 8, anns}, {"ann", 3, anns[:3]}, {"ann", 0, nil}, {"eve", 10, nil}} {
		got, err := s.Backend.Records.ListRecords(t.Context(), c.owner, c.limit)
		must(t, err)
		if !slices.Equal(c.want, ids(got)) {
			t.Errorf("the newest %d of %s are %v, want %v", c.limit, c.owner, ids(got), c.want)
		}
	}
}

func sampleRecords(t *testing.T, s *suite) {
	hour := time.Now().UTC().Truncate(time.Hour)
	var want []string // newest first
	for i, at := range []time.Time{
		hour.Add(-time.Nanosecond), hour.Add(-3 * time.Hour), hour, hour.Add(-time.Hour), hour.Add(-61 * time.Minute),
	} {
		s.put(t, ended(t, signed.Stored, "ann", at)) // no sample
		r := ended(t, signed.Direct, []string{"ann", "bob"}[i%2], at)
		s.put(t, r)
		want = append(want, r.ID)
	}
	slices.Sort(want)
	slices.Reverse(want)
	for _, c := range []struct {
		name  string
		since time.Time
		limit int
		want  []string
	}{
		{"all", hour.Add(-4 * time.Hour), 10, want},
		{"since the oldest", hour.Add(-3 * time.Hour), 10, want},
		{"since just after the oldest", hour.Add(-3*time.Hour + time.Millisecond), 10, want[:4]},
		{"since the hour", hour, 10, want[:1]},
		{"the newest two", hour.Add(-4 * time.Hour), 2, want[:2]},
		{"none", hour.Add(-4 * time.Hour), 0, nil},
		{"since the future", hour.Add(2 * time.Hour), 10, nil},
	} {
		got, err := s.Backend.Records.SampleRecords(t.Context(), c.since, c.limit)
		must(t, err)
		if !slices.Equal(c.want, ids(got)) {
			t.Errorf("%s: samples %v, want %v", c.name, ids(got), c.want)
		}
	}
}
