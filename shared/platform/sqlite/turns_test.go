package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
)

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
			q := h.Platform().Queues
			for _, s := range tc.sends {
				for i := range s.n {
					must(t, q.Send(t.Context(), queue, query.Message{ID: fmt.Sprint(s.owner, i), Owner: s.owner, ExpiresAt: time.Now().Add(time.Hour)}))
				}
			}
			for i, want := range tc.want {
				ds, err := q.Receive(t.Context(), queue, tc.limit, time.Minute, 0)
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
