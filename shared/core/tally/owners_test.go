package tally

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// ended counts the end of a query of an owner and a task.
func ended(b *Book, owner, task string, o Observation) {
	o.Owner = owner
	b.Ended(Key{Task: task, Model: "m", Class: query.Strict}, o)
}

func TestABookCountsByOwner(t *testing.T) {
	b := NewBook(start)
	ended(b, "ann", "t", Observation{State: query.Succeeded, Met: true, CostUSD: 1})
	ended(b, "ann", "t", Observation{State: query.Succeeded, Overflowed: true, CostUSD: 2})
	ended(b, "ann", "u", Observation{State: query.Expired})
	ended(b, "bob", "t", Observation{State: query.Failed})
	ended(b, "bob", "t", Observation{State: query.Accepted, CostUSD: 9})
	b.Refused("bob", "t", query.Strict)
	want := map[OwnerKey]Counts{
		{"ann", "t"}: {Answered: 2, Met: 1, Overflowed: 1, CostUSD: 3}, {"ann", "u"}: {Expired: 1}, {"bob", "t"}: {Failed: 1, Refused: 1},
	}
	got := b.Snapshot(start).Owners
	if len(got) != len(want) {
		t.Errorf("%+v", got)
	}
	for _, o := range got {
		if o.Counts != want[o.OwnerKey] {
			t.Errorf("%+v, want %+v", o, want[o.OwnerKey])
		}
	}
}

func TestOwnersAreFewAndNoneIsLost(t *testing.T) {
	b := NewBook(start)
	for i := range 3 * MaxOwners {
		ended(b, fmt.Sprintf("o%d", i), fmt.Sprintf("t%d", i%3), Observation{State: query.Succeeded})
	}
	got := b.Snapshot(start).Owners
	if len(got) > MaxOwners+3 {
		t.Errorf("%d owners and tasks", len(got))
	}
	var all, rest int64
	for _, o := range got {
		all += o.Answered
		if o.Owner == "" {
			rest += o.Answered
		}
	}
	if all != 3*MaxOwners || rest != 2*MaxOwners {
		t.Errorf("%d answered, %d of them of the rest", all, rest)
	}
}

// Who has asked nothing for an hour makes room, and counts from there on when they
// come again.
func TestAnIdleOwnerMakesRoom(t *testing.T) {
	b, tr := NewBook(start), NewTracker(start)
	counted := map[string]int64{}
	pass := func(after time.Duration) {
		now := start.Add(after)
		for _, o := range tr.Advance("w", b.Snapshot(now), now).Owners {
			counted[o.Owner] += o.Answered
		}
	}
	for i := range MaxOwners {
		ended(b, fmt.Sprintf("o%d", i), "t", Observation{State: query.Succeeded})
	}
	pass(time.Minute)
	pass(2 * time.Hour)
	ended(b, "new", "t", Observation{State: query.Succeeded})
	ended(b, "o7", "t", Observation{State: query.Succeeded})
	pass(2*time.Hour + time.Minute)
	if counted["new"] != 1 || counted["o7"] != 2 || counted["o8"] != 1 || counted[""] != 0 {
		t.Errorf("new %d, o7 %d, o8 %d, rest %d", counted["new"], counted["o7"], counted["o8"], counted[""])
	}
}

func TestTopOwnersKeepsEveryQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []OwnerTally
		var all int64
		for range rapid.IntRange(0, 40).Draw(t, "tallies") {
			k := OwnerKey{rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"}).Draw(t, "owner"), rapid.SampledFrom([]string{"t", "u"}).Draw(t, "task")}
			n := int64(rapid.IntRange(0, 9).Draw(t, "queries"))
			ts, all = append(ts, OwnerTally{k, Counts{Answered: n}}), all+n
		}
		most := rapid.IntRange(0, 8).Draw(t, "most")
		got := TopOwners(ts, most)
		var sum int64
		named := 0
		smallest, largestOfRest := int64(1<<60), int64(0)
		for _, o := range TopOwners(ts, len(ts)) { // each by itself
			by := slices.ContainsFunc(got, func(g OwnerTally) bool { return g.OwnerKey == o.OwnerKey })
			switch {
			case o.Owner == "":
			case by:
				smallest = min(smallest, o.Answered)
			default:
				largestOfRest = max(largestOfRest, o.Answered)
			}
		}
		for i, o := range got {
			sum += o.Answered
			if o.Owner != "" {
				named++
			}
			if i > 0 && got[i-1].Compare(o.OwnerKey) >= 0 {
				t.Fatalf("%+v before %+v", got[i-1], o)
			}
		}
		if sum != all || named > most || largestOfRest > smallest {
			t.Fatalf("%d of %d queries, %d owners by themselves, at most %d", sum, all, named, most)
		}
	})
}
