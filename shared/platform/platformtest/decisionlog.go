package platformtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/platform"
)

var decisionLogCases = []contractCase{
	{"one controller has the lease", anyBackend, leaseIsOnes},
	{"a lease ends by itself", anyBackend, leaseEnds},
	{"who lost the lease writes nothing", anyBackend, loserWritesNothing},
	{"a tick is kept with its memory", anyBackend, tickIsKept},
	{"ticks are listed newest first", anyBackend, ticksAreListed},
	{"old ticks are forgotten", anyBackend, ticksAreForgotten},
	{"a group bounds what can be desired", anyBackend, groupBounds},
	{"a marked worker is listed as draining", anyBackend, markedIsDraining},
	{"earlier values of settings are kept", anyBackend, changesAreKept},
}

func leaseIsOnes(t *testing.T, s *suite) {
	l := s.Backend.DecisionLog
	first, err := l.AcquireLease(t.Context(), "ann", time.Minute)
	must(t, err)
	if _, err := l.AcquireLease(t.Context(), "bob", time.Minute); !errors.Is(err, platform.ErrLeaseLost) {
		t.Errorf("a second controller claimed: %v, want ErrLeaseLost", err)
	}
	again, err := l.AcquireLease(t.Context(), "ann", time.Hour)
	must(t, err)
	if again.Token != first.Token || !again.Until.After(first.Until) {
		t.Errorf("renewed %+v to %+v", first, again)
	}
	must(t, l.ReleaseLease(t.Context(), platform.Lease{Holder: "bob", Token: first.Token}))
	if _, err := l.AcquireLease(t.Context(), "bob", time.Minute); !errors.Is(err, platform.ErrLeaseLost) {
		t.Errorf("another holder released the lease: %v", err)
	}
	must(t, l.ReleaseLease(t.Context(), again))
	second, err := l.AcquireLease(t.Context(), "bob", time.Minute)
	must(t, err)
	if second.Token <= first.Token {
		t.Errorf("token %d after %d, want it to rise", second.Token, first.Token)
	}
}

func leaseEnds(t *testing.T, s *suite) {
	first, err := s.Backend.DecisionLog.AcquireLease(t.Context(), "ann", s.Lease)
	must(t, err)
	pass(s.Lease + 10*time.Millisecond)
	second, err := s.Backend.DecisionLog.AcquireLease(t.Context(), "bob", time.Minute)
	must(t, err)
	if second.Token <= first.Token || second.Holder != "bob" {
		t.Errorf("lease %+v after %+v", second, first)
	}
}

func entry(second int) platform.Entry {
	at := time.Now().UTC().Truncate(time.Second).Add(time.Duration(second) * time.Second)
	return platform.Entry{ID: fmt.Sprintf("%03d", second), Pool: pool, At: at, Moves: second%2 == 0, Line: "grow from 1 to 2 workers",
		ForgetAt: at.Add(time.Hour), Record: []byte{0, 0xff, byte(second)}}
}

func loserWritesNothing(t *testing.T, s *suite) {
	l := s.Backend.DecisionLog
	lost, err := l.AcquireLease(t.Context(), "ann", s.Lease)
	must(t, err)
	pass(s.Lease + 10*time.Millisecond)
	write := func(name string, lease platform.Lease) {
		t.Helper()
		if err := l.Commit(t.Context(), lease, []byte("lost"), entry(1)); !errors.Is(err, platform.ErrLeaseLost) {
			t.Errorf("%s: %v, want ErrLeaseLost", name, err)
		}
	}
	write("an ended lease", lost)
	now, err := l.AcquireLease(t.Context(), "bob", time.Minute)
	must(t, err)
	write("another's lease", lost)
	write("an earlier token", platform.Lease{Holder: "bob", Token: lost.Token, Until: now.Until})
	if m, err := l.Memory(t.Context(), pool); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("memory %q, error %v, want ErrNotFound", m, err)
	}
	if _, err := l.Entry(t.Context(), "001"); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("an entry of a lost lease: %v, want ErrNotFound", err)
	}
}

func tickIsKept(t *testing.T, s *suite) {
	l := s.Backend.DecisionLog
	lease, err := l.AcquireLease(t.Context(), "ann", time.Minute)
	must(t, err)
	must(t, l.Commit(t.Context(), lease, []byte("one"), entry(1)))
	done := entry(1)
	done.Outcome = "done"
	must(t, l.Commit(t.Context(), lease, []byte{0, 1, 0xff}, done))
	got, err := l.Entry(t.Context(), "001")
	must(t, err)
	if diff := cmp.Diff(done, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	memory, err := l.Memory(t.Context(), pool)
	must(t, err)
	if diff := cmp.Diff([]byte{0, 1, 0xff}, memory); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
}

func ticksAreListed(t *testing.T, s *suite) {
	l := s.Backend.DecisionLog
	lease, err := l.AcquireLease(t.Context(), "ann", time.Minute)
	must(t, err)
	for i := range 6 {
		must(t, l.Commit(t.Context(), lease, nil, entry(i)))
	}
	for _, c := range []struct {
		q    platform.EntryQuery
		want []string
	}{
		{platform.EntryQuery{Pool: pool, Limit: 3}, []string{"005", "004", "003"}},
		{platform.EntryQuery{Pool: pool, Limit: 9, Before: "002"}, []string{"001", "000"}},
		{platform.EntryQuery{Pool: pool, Limit: 2, Moves: true}, []string{"004", "002"}},
		{platform.EntryQuery{Pool: "other", Limit: 9}, nil},
	} {
		es, err := l.Entries(t.Context(), c.q)
		must(t, err)
		var ids []string
		for _, e := range es {
			ids = append(ids, e.ID)
			if len(e.Record) != 0 {
				t.Errorf("the list holds the record of %s", e.ID)
			}
		}
		if diff := cmp.Diff(c.want, ids); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.q, diff)
		}
	}
	if _, err := l.Entries(t.Context(), platform.EntryQuery{Pool: pool}); err == nil {
		t.Error("a list without a limit was no error")
	}
}

func ticksAreForgotten(t *testing.T, s *suite) {
	l := s.Backend.DecisionLog
	lease, err := l.AcquireLease(t.Context(), "ann", time.Hour)
	must(t, err)
	old := entry(1)
	old.ForgetAt = time.Now().UTC().Add(time.Second)
	must(t, l.Commit(t.Context(), lease, nil, old))
	pass(2 * time.Second)
	must(t, l.Commit(t.Context(), lease, nil, entry(5)))
	es, err := l.Entries(t.Context(), platform.EntryQuery{Pool: pool, Limit: 9})
	must(t, err)
	if len(es) != 1 || es[0].ID != "005" {
		t.Errorf("%+v are listed, want 005 alone", es)
	}
}

func groupBounds(t *testing.T, s *suite) {
	must(t, s.Limit(t.Context(), pool, 1, 3))
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 3))
	if err := s.Backend.Fleet.SetDesired(t.Context(), pool, 4); err == nil {
		t.Error("4 workers of a group of 3 at most was no error")
	}
	g, err := s.Backend.Groups.Group(t.Context(), pool)
	must(t, err)
	if want := (platform.Group{Min: 1, Max: 3, Desired: 3}); g != want {
		t.Errorf("group %+v, want %+v", g, want)
	}
}

func markedIsDraining(t *testing.T, s *suite) {
	w1, w2 := report("w1", platform.Ready), report("w2", platform.Booting)
	s.report(t, w1)
	pass(time.Second)
	s.report(t, w2)
	must(t, s.Backend.Fleet.Drain(t.Context(), pool, "w1", "w2"))
	w1.State, w2.State = platform.Draining, platform.Draining
	s.workers(t, w1, w2)
}

func changesAreKept(t *testing.T, s *suite) {
	for _, v := range []string{"1", "2", "3"} {
		must(t, s.Backend.Settings.Set(t.Context(), "a", v))
		must(t, s.Backend.Settings.Set(t.Context(), "b", "-"+v))
	}
	got, err := s.Backend.History.Changes(t.Context(), "a", 2)
	must(t, err)
	if len(got) != 2 || got[0].Value != "3" || got[1].Value != "2" || got[0].Version <= got[1].Version || got[0].At.IsZero() {
		t.Errorf("changes %+v, want 3 and then 2", got)
	}
	all, err := s.Backend.History.Changes(t.Context(), "", 100)
	must(t, err)
	if len(all) != 6 || all[0].Name != "b" || all[0].Value != "-3" {
		t.Errorf("all changes are %+v, want six, -3 of b first", all)
	}
}
