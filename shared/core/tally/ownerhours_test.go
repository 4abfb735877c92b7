package tally_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/tally"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// snapshotOf is what a process has counted of one owner after some minutes.
func snapshotOf(minutes float64, answered int64) tally.Snapshot {
	return tally.Snapshot{Since: noon, At: noon.Add(time.Duration(minutes * float64(time.Minute))),
		Owners: []tally.OwnerTally{{OwnerKey: tally.OwnerKey{Owner: "ann", Task: "t"}, Counts: tally.Counts{Answered: answered}}}}
}

func TestOwnersAreStoredAFewTimesAnHour(t *testing.T) {
	type stored struct {
		Hour     int
		Answered int64
	}
	for _, c := range []struct {
		name      string
		snapshots []tally.Snapshot
		ends      bool
		want      []stored
	}{
		{"at once", []tally.Snapshot{snapshotOf(1, 3)}, false, []stored{{12, 3}}},
		{"and not again before a quarter of an hour", []tally.Snapshot{snapshotOf(1, 3), snapshotOf(15, 5), snapshotOf(16, 7)}, false, []stored{{12, 3}, {12, 7}}},
		{"nor when there is nothing more", []tally.Snapshot{snapshotOf(1, 3), snapshotOf(30, 3)}, false, []stored{{12, 3}}},
		{"with what is left of the hour before", []tally.Snapshot{snapshotOf(46, 3), snapshotOf(59, 5), snapshotOf(61, 6)}, false, []stored{{12, 3}, {12, 5}, {13, 1}}},
		{"when the process ends", []tally.Snapshot{snapshotOf(1, 3), snapshotOf(2, 4)}, true, []stored{{12, 3}, {12, 4}}},
		{"never without queries", []tally.Snapshot{snapshotOf(1, 0), snapshotOf(70, 0)}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o tally.OwnerHours
			var got []stored
			for i, s := range c.snapshots {
				err := o.Add(s, c.ends && i == len(c.snapshots)-1, func(h tally.OwnerHour) error {
					got = append(got, stored{h.At.Hour(), h.Owners[0].Answered})
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Whatever comes when, and whichever stores fail, what is stored of all hours in the end
// is what was counted.
func TestNoOwnersQueriesAreLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o tally.OwnerHours
		kept, minutes, answered := map[time.Time]int64{}, 0.0, int64(0)
		n := rapid.IntRange(1, 40).Draw(t, "snapshots")
		for i := range n {
			minutes += rapid.Float64Range(0.1, 90).Draw(t, "minutes")
			answered += int64(rapid.IntRange(0, 9).Draw(t, "queries"))
			last := i == n-1
			fails := !last && rapid.IntRange(0, 3).Draw(t, "fails") == 0
			_ = o.Add(snapshotOf(minutes, answered), last, func(h tally.OwnerHour) error {
				if fails {
					return errors.New("throttled")
				}
				kept[h.At] = h.Owners[0].Answered
				return nil
			})
		}
		sum := int64(0)
		for _, v := range kept {
			sum += v
		}
		if sum != answered {
			t.Fatalf("%d of %d queries are stored", sum, answered)
		}
	})
}
