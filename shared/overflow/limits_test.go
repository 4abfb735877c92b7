package overflow

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Functions have what the budget of the hour leaves after its workers: those that are up, those
// on their way, and those that have left in this hour.
func TestWorkersComeFirstInTheBudget(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 30, 0, 0, time.UTC) // half of the hour is left
	catalogue := &profile.Catalogue{Instances: []profile.Instance{{Type: "dollar", USDPerHour: 1}}}
	spent, broke := 0.5, 0.0
	for _, c := range []struct {
		name string
		pool placement.Pool
		want float64
	}{
		{"before the first tick", placement.Pool{Workers: 2}, 8},
		{"two all the time", placement.Pool{Workers: 2, WorkersUSD: 1, PaidTo: at}, 8},
		{"two since now", placement.Pool{Workers: 2, WorkersUSD: 0, PaidTo: at}, 8},
		{"ten, of which eight have left", placement.Pool{Workers: 2, WorkersUSD: 5, PaidTo: at}, 4},
		{"all have left", placement.Pool{WorkersUSD: 5, PaidTo: at}, 5},
		{"four on their way or suspended", placement.Pool{Workers: 2, Booting: 3, Suspended: 1, WorkersUSD: 1, PaidTo: at}, 6},
		{"what the hour before cost", placement.Pool{Workers: 2, WorkersUSD: 9, PaidTo: at.Add(-time.Hour)}, 8},
		{"more than the budget", placement.Pool{Workers: 2, WorkersUSD: 12, PaidTo: at}, 0},
		{"some left by the last tick", placement.Pool{Workers: 2, BudgetLeftUSD: &spent}, 8},
		{"nothing left by the last tick", placement.Pool{Workers: 2, BudgetLeftUSD: &broke}, 0},
	} {
		set := settings.Defaults()
		set.HourlyBudgetUSD = 10
		c.pool.InstanceType = "dollar"
		v := platform.FleetView{Pools: []placement.Pool{c.pool}, At: at}
		if got := LimitsOf(set, v, catalogue, at.Add(time.Second)).BudgetUSD; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: functions may cost $%v, want $%v", c.name, got, c.want)
		}
	}
}
