package simulate

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// A function counts as warm by the calls of the last minute, in slots of ten seconds: by
// those that a list of all calls has.
func TestLatelyCountsTheLastMinute(t *testing.T) {
	type call struct {
		at   int64
		cold bool
	}
	rapid.Check(t, func(t *rapid.T) {
		f := functions{coldStarts: true, lately: make([]lately, 1)}
		var all []call
		now := int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 40*second).Draw(t, "pause")
			if rapid.Bool().Draw(t, "call") {
				c := call{now, rapid.IntRange(0, 9).Draw(t, "cold") == 0}
				f.lately[0].saw(c.at, c.cold)
				all = append(all, c)
			}
			var runs, cold int64
			for _, c := range all {
				if c.at/latelySlotUS > now/latelySlotUS-latelySlots {
					runs++
					if c.cold {
						cold++
					}
				}
			}
			if got, want := f.mostlyWarm(0, now), sizing.MostlyWarm(runs, cold); got != want {
				t.Fatalf("at %d: warm is %t after %d calls, %d of them cold", now, got, runs, cold)
			}
		}
	})
}

func TestWithoutColdStartsAFunctionIsWarm(t *testing.T) {
	if !newFunctions(&Config{}, 1).mostlyWarm(0, 0) {
		t.Error("it is cold")
	}
}
