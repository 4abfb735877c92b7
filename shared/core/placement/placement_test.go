package placement

import (
	"math"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestPlace(t *testing.T) {
	strict := Ask{Class: query.Strict, BudgetMS: 1000, ServiceMS: 100, OverflowAllowed: true}
	closed := strict
	closed.OverflowAllowed = false
	relaxed := strict
	relaxed.Class = query.Relaxed
	silent := strict
	silent.Absence = NoneAnswers
	bound := relaxed
	bound.RelaxedOverflow, bound.RelaxedAheadMS = true, 4*strict.BudgetMS
	for _, tc := range []struct {
		name    string
		ask     Ask
		runners int
		aheadMS float64
		want    Choice
	}{
		{"free slot", strict, 4, 0, Choice{ToWork, SlotInTime, 100, ""}},
		{"just in time", strict, 4, 3600, Choice{ToWork, SlotInTime, 1000, ""}},
		{"a query too many", strict, 4, 3700, Choice{ToOverflow, NoSlotInTime, 1025, ""}},
		{"no worker", strict, 0, 0, Choice{ToOverflow, NoWorkers, 0, ""}},
		{"workers that do not answer", silent, 0, 0, Choice{ToOverflow, NoneAnswers, 0, ""}},
		{"overflow off", closed, 4, 4000, Choice{ToWait, OverflowIsOff, 1100, closed.OverflowOff}},
		{"relaxed waits", relaxed, 4, 1e6, Choice{ToWork, RelaxedWaits, 250100, ""}},
		{"relaxed at its bound", bound, 4, 0, Choice{ToOverflow, NoSlotInTime, strict.BudgetMS + strict.ServiceMS, ""}},
		{"relaxed that may overflow, without workers", bound, 0, 0, Choice{ToOverflow, NoWorkers, 0, ""}},
		{"relaxed that may overflow, in time", bound, 400, 0, Choice{ToWork, RelaxedWaits, strict.ServiceMS + 4*strict.BudgetMS/400, ""}},
		{"relaxed without workers", relaxed, 0, 0, Choice{ToWork, RelaxedWaits, 0, ""}},
	} {
		if got := Place(tc.ask, tc.runners, tc.aheadMS); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for _, r := range []Reason{SlotInTime, NoSlotInTime, NoWorkers, ViewOutdated, NoneAnswers, RelaxedWaits, OverflowIsOff} {
		if got := (Choice{Reason: r}).String(); got == string(r) {
			t.Errorf("%s has no words", r)
		}
	}
}

func TestOverflowThatIsOffSaysWhy(t *testing.T) {
	c := Place(Ask{Class: query.Strict, OverflowOff: "the setting is 0"}, 0, 0)
	if got := c.String(); !strings.HasPrefix(got, "overflow is off") || !strings.HasSuffix(got, ": the setting is 0") {
		t.Errorf("%q does not say why", got)
	}
}

// A relaxed query for which its worker has no slot in time overflows if it may and if
// that worker would answer it after its bound; one that would answer it just in time keeps it.
func TestPlaceFromWorker(t *testing.T) {
	strict := Ask{Class: query.Strict, BudgetMS: 1000, OverflowAllowed: true}
	relaxed := strict
	relaxed.Class, relaxed.RelaxedOverflow = query.Relaxed, true
	waits, closed := relaxed, relaxed
	waits.RelaxedOverflow, closed.OverflowAllowed = false, false
	for _, tc := range []struct {
		name  string
		ask   Ask
		endMS float64
		want  Route
	}{
		{"strict", strict, 1001, ToOverflow},
		{"relaxed, just in time", relaxed, 1000, ToWork},
		{"relaxed, too late", relaxed, 1000.001, ToOverflow},
		{"relaxed, without a worker", relaxed, math.Inf(1), ToOverflow},
		{"relaxed that may not overflow", waits, 1001, ToWork},
		{"relaxed, and overflow is off", closed, 1001, ToWork},
	} {
		if got := PlaceFromWorker(tc.ask, tc.endMS); got.Route != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
}
