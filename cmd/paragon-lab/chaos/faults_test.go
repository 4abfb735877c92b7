package chaos

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the seed, every kind of fault comes before any comes again, one in each
// stretch, and the end of the run is quiet.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		length := time.Duration(rapid.Int64Range(int64(20*time.Second), int64(time.Hour)).Draw(rt, "length"))
		every := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(rt, "every"))
		plan := Plan(seed, length, every)
		if !slices.Equal(plan, Plan(seed, length, every)) {
			rt.Fatal("one seed, two plans")
		}
		times := map[Kind]int{}
		for i, f := range plan {
			if from := time.Duration(i) * every; f.At < from || f.At >= from+every {
				rt.Fatalf("fault %d comes at %v, its stretch is from %v to %v", i, f.At, from, from+every)
			}
			if f.At+f.For > length-min(quiet, length/4) {
				rt.Fatalf("fault %d is not over before the end: %+v", i, f)
			}
			times[f.Kind]++
			if times[f.Kind] > i/len(lengths)+1 {
				rt.Fatalf("%s came %d times among the first %d", f.Kind, times[f.Kind], i+1)
			}
		}
	})
	if a, b := Plan(1, 10*time.Minute, 12*time.Second), Plan(2, 10*time.Minute, 12*time.Second); slices.Equal(a, b) {
		t.Error("two seeds, one plan")
	}
	if n := len(Plan(1, 10*time.Minute, 12*time.Second)); n < 40 {
		t.Errorf("%d faults in ten minutes", n)
	}
}

// Two minutes, as CI takes, have time for each kind once by any seed. A plan that leaves some
// out says which.
func TestTwoMinutesHaveEveryKind(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := Plan(rapid.Uint64().Draw(rt, "seed"), 2*time.Minute, 9*time.Second)
		if out := LeftOut(plan); len(out) > 0 {
			rt.Errorf("%v are left out", out)
		}
		some := plan[:rapid.IntRange(0, len(lengths)-1).Draw(rt, "faults")]
		out := LeftOut(some)
		if len(some)+len(out) != len(lengths) {
			rt.Errorf("of %d faults %d kinds are left out", len(some), len(out))
		}
		for _, f := range some {
			if slices.Contains(out, f.Kind) {
				rt.Errorf("%s is both there and left out", f.Kind)
			}
		}
	})
}

func TestWhoseHands(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		kind        Kind
		until       time.Duration // of a fault from 10 s on
		from, holds time.Duration
	}{
		{KillWorker, 10 * s, 10 * s, 10 * s},
		{LostCapacity, 20 * s, 10 * s, 10 * s},
		{FreezeWorker, 12 * s, 10 * s, 12 * s},
		{FreezeFunction, 20 * s, 10 * s, 10*s + frozenFor},
		{KillStage, 12 * s, 10 * s, 12 * s},
		{FullDisk, 18 * s, 10 * s, 18 * s},
	} {
		if from, until := (Injected{Kind: tc.kind, From: 10 * s, Until: tc.until}).hands(); from != tc.from || until != tc.holds {
			t.Errorf("%s: from %v to %v", tc.kind, from, until)
		}
	}
}
