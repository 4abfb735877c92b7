package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// oddOwners are names that owners hardly have, and that mix up who compares or writes them badly.
var oddOwners = []string{"", "'; DROP TABLE messages; --", "a", "a\x00", "a\x00b", "a b", "<&>\u2028", "\U0001f600", strings.Repeat("x", 10_000)}

// sendFor sends a message of an owner.
func sendFor(t testing.TB, h *Backend, q platform.QueueName, owner string) {
	t.Helper()
	must(t, h.Platform().Queues.Send(t.Context(), q, query.Message{ID: "of " + owner, Owner: owner, ExpiresAt: time.Now().Add(time.Hour)}))
}

// receiveNext receives the one message whose turn it is.
func receiveNext(t testing.TB, h *Backend, q platform.QueueName) platform.Delivery {
	t.Helper()
	ds, err := h.Platform().Queues.Receive(t.Context(), q, 1, time.Minute, 0)
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("received %d messages", len(ds))
	}
	return ds[0]
}

// Owners with messages on a queue take turns, however many one of them sent before the others.
func TestOwnersTakeTurns(t *testing.T) {
	type send struct {
		owner string
		n     int
	}
	for name, tc := range map[string]struct {
		sends []send
		limit int
		want  []string // the owners of each receive's messages
	}{
		"one owner":                        {[]send{{"a", 3}}, 2, []string{"aa", "a"}},
		"no owner has a name":              {[]send{{"", 3}}, 10, []string{"   "}},
		"one after another":                {[]send{{"a", 9}, {"b", 2}}, 1, []string{"a", "b", "a", "b", "a"}},
		"both in one receive":              {[]send{{"a", 9}, {"b", 2}}, 4, []string{"aabb", "aaaa", "aaa"}},
		"what one lacks the other takes":   {[]send{{"a", 9}, {"b", 1}}, 6, []string{"aaabaa", "aaaa"}},
		"more owners than places":          {[]send{{"a", 2}, {"b", 2}, {"c", 2}}, 2, []string{"ab", "ca", "bc"}},
		"one without a name and a backlog": {[]send{{"", 9}, {"b", 1}}, 1, []string{"b", " ", " "}},
	} {
		t.Run(name, func(t *testing.T) {
			h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
			for _, s := range tc.sends {
				for range s.n {
					sendFor(t, h, queue, s.owner)
				}
			}
			for i, want := range tc.want {
				ds, err := h.Platform().Queues.Receive(t.Context(), queue, tc.limit, time.Minute, 0)
				must(t, err)
				got := ""
				for _, d := range ds {
					got += fmt.Sprintf("%1s", d.Message.Owner)
				}
				if got != want {
					t.Errorf("receive %d has messages of %q, want %q", i, got, want)
				}
			}
		})
	}
}

// Whatever is on a queue, receives take each message once, as many at a time as there are,
// those of one owner in the order in which they were sent; and while an owner's message
// waits, no other owner gets two messages more than it in a receive.
func TestTurnsTakeEverythingOnce(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	q := h.Platform().Queues
	rapid.Check(t, func(t *rapid.T) {
		owners := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c", "ä"}), 0, 30).Draw(t, "owners")
		waits := map[string][]string{}
		for i, o := range owners {
			m := query.Message{ID: fmt.Sprintf("%s-%d", o, i), Owner: o, ExpiresAt: time.Now().Add(time.Hour)}
			if err := q.Send(t.Context(), queue, m); err != nil {
				t.Fatal(err)
			}
			waits[o] = append(waits[o], m.ID)
		}
		for left := len(owners); left > 0; {
			limit := rapid.IntRange(1, 10).Draw(t, "limit")
			ds, err := q.Receive(t.Context(), queue, limit, time.Minute, 0)
			if err != nil || len(ds) != min(limit, left) {
				t.Fatalf("received %d of %d with a limit of %d, error %v", len(ds), left, limit, err)
			}
			took := map[string]int{}
			for _, d := range ds {
				o := d.Message.Owner
				if waits[o][0] != d.Message.ID {
					t.Fatalf("received %s, and %s was sent before", d.Message.ID, waits[o][0])
				}
				waits[o] = waits[o][1:]
				took[o]++
				left--
			}
			for o, ids := range waits {
				for other, n := range took {
					if len(ids) > 0 && n > took[o]+1 {
						t.Fatalf("of %d messages %d are of %s while %d of %s wait", len(ds), n, other, len(ids), o)
					}
				}
			}
			if err := q.Delete(t.Context(), ds...); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Each queue has turns of its own: who was served on one waits no longer on another.
func TestTurnsAreOfOneQueue(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	for _, q := range []platform.QueueName{queue, platform.Overflow} {
		for _, owner := range []string{"a", "a", "b"} {
			sendFor(t, h, q, owner)
		}
	}
	for _, want := range []string{"of a", "of b", "of a"} {
		for _, q := range []platform.QueueName{queue, platform.Overflow} {
			if d := receiveNext(t, h, q); d.Message.ID != want {
				t.Errorf("received the message %s from %s, want %s", d.Message.ID, q, want)
			}
		}
	}
}

// An owner all of whose messages are leased has no turn, and one when a lease ends.
func TestLeasedMessagesTakeNoTurn(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	for _, owner := range []string{"a", "b", "c", "c"} {
		sendFor(t, h, queue, owner)
	}
	a, b := receiveNext(t, h, queue), receiveNext(t, h, queue)
	if d := receiveNext(t, h, queue); d.Message.Owner != "c" {
		t.Errorf("received one of %s, want c", d.Message.Owner)
	}
	must(t, h.Platform().Queues.Release(t.Context(), b, a))
	for _, want := range []string{"a", "b", "c"} {
		if d := receiveNext(t, h, queue); d.Message.Owner != want {
			t.Errorf("received one of %s, want %s", d.Message.Owner, want)
		}
	}
	if ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Minute, 0); err != nil || len(ds) > 0 {
		t.Errorf("received %v, error %v, when all are leased", ds, err)
	}
}

// Owners of any name take turns.
func TestOwnersOfOddNamesTakeTurns(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	owners := append([]string{"\xff\xfe"}, oddOwners...) // a message has others in place of these bytes
	for range 2 {
		for _, o := range owners {
			sendFor(t, h, queue, o)
		}
	}
	for range 2 {
		got := map[string]bool{}
		for range owners {
			got[receiveNext(t, h, queue).Message.ID] = true
		}
		if len(got) != len(owners) {
			t.Errorf("%d of %d owners had a turn", len(got), len(owners))
		}
	}
}

// No statement of a receive sorts messages: very many may have become visible at one moment, as
// when the clock is set back.
func TestReceivesSortNothing(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	for statement, args := range map[string][]any{
		visible:    {queue, "a", 1, 1},
		nextOwner:  {queue, "a", 1},
		firstOwner: {queue, "a", 1},
	} {
		var plan []string
		must(t, h.reads.each(func(row *sql.Rows) error {
			var a, b, c int
			var step string
			err := row.Scan(&a, &b, &c, &step)
			plan = append(plan, step)
			return err
		}, "EXPLAIN QUERY PLAN "+statement, args...))
		if len(plan) != 1 || !strings.HasPrefix(plan[0], "SEARCH messages USING") || !strings.Contains(plan[0], "messages_by_owner (queue=? AND owner") {
			t.Errorf("%s: %q", statement, plan)
		}
	}
}

// Receives that wait take a backlog in turns, too, when it becomes visible at once: here that of
// a worker that ended.
func TestReceivesThatWaitTakeTurns(t *testing.T) {
	h := openAt(t, filepath.Join(t.TempDir(), "paragon.db"), Options{})
	for _, owner := range []string{"a", "a", "a", "b"} {
		sendFor(t, h, queue, owner)
	}
	dead, err := (&consumer{Backend: h, name: "dead"}).Receive(t.Context(), queue, 10, time.Minute, 0)
	must(t, err)
	came := make(chan string, 4)
	for range 2 {
		go func() {
			ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Minute, time.Minute)
			if err != nil || len(ds) != 1 {
				came <- fmt.Sprint(ds, err)
				return
			}
			came <- ds[0].Message.Owner
		}()
	}
	for waiting := 0; waiting < 2; {
		must(t, h.write(t.Context(), func(*tx) error { waiting = len(h.writes.parked.ops[queue]); return nil }))
	}
	must(t, h.NoteEnd(t.Context(), "dead"))
	got := []string{<-came, <-came}
	slices.Sort(got)
	if len(dead) != 4 || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("of %d messages, those that waited got the ones of %q", len(dead), got)
	}
}
