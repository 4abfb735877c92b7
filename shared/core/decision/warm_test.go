package decision_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// byBoot wants as many workers as it has for the boot time, in seconds.
type byBoot map[float64]int

func (byBoot) Name() string { return "by_boot" }

func (byBoot) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

func (w byBoot) Decide(_ time.Time, _ procurement.Snapshot, set settings.Settings, before procurement.State) (procurement.Decision, procurement.State) {
	return procurement.Decision{Workers: w[set.VMBootSeconds], Reason: "wanted"}, before
}

// The warm instances are decided by their own boot, and what is beyond them by the
// boot of a new machine. 5 workers are there.
func TestWarmInstancesShortenTheBoot(t *testing.T) {
	for _, tc := range []struct {
		name       string
		warm       int
		short      float64
		byColdBoot int
		byWarmBoot int
		want       int
	}{
		{"none is warm", 0, 40, 6, 9, 6},
		{"all of them are warm", 4, 40, 6, 9, 9},
		{"more are wanted than are warm", 2, 40, 6, 9, 7},
		{"more are wanted even if they boot cold", 2, 40, 8, 9, 8},
		{"a rise that only a long boot sees", 2, 40, 9, 5, 5},
		{"a warm boot that is longer", 2, 400, 6, 9, 6},
	} {
		c := steady()
		c.Group.Warm, c.Settings.VMBootSeconds, c.Settings.WarmBootSeconds = tc.warm, 100, tc.short
		r, _ := decision.MakeBy(byBoot{100: tc.byColdBoot, tc.short: tc.byWarmBoot}, c)
		if r.Action.To != tc.want {
			t.Errorf("%s: %d workers, want %d: %s", tc.name, r.Action.To, tc.want, r.Reason)
		}
		if said := strings.Contains(r.Explain(), "stopped instances can serve"); said != (tc.warm > 0) {
			t.Errorf("%s: the explanation is\n%s", tc.name, r.Explain())
		}
	}
}

// exascale looks ahead as far as the next worker boots: a rising load asks for fewer
// workers where that is sooner.
func TestAForecastEndsWhereTheNextWorkerServes(t *testing.T) {
	wanted := func(warm int) int {
		c := steady()
		c.Settings.Scheme, c.Settings.MaxStep, c.Group.Warm, c.Snapshot.Arrivals = "exascale", 100, warm, nil
		for i := range 600 {
			c.Snapshot.Arrivals = append(c.Snapshot.Arrivals, procurement.Second{Strict: 40 + float64(i)/4})
		}
		r, _, err := decision.Make(c)
		if err != nil {
			t.Fatal(err)
		}
		return r.Wanted
	}
	if cold, warm := wanted(0), wanted(50); warm >= cold || warm <= 5 {
		t.Errorf("%d workers are wanted by a long boot, and %d by a short one", cold, warm)
	}
}
