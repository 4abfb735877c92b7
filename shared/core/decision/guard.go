package decision

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// byBudget names the budget in a clamp.
const byBudget = "hourly_budget_usd"

// Clamp is a bound outside the scheme that changed what it wanted.
type Clamp struct {
	Wanted int    `json:"wanted"`
	Got    int    `json:"got"`
	By     string `json:"by"` // the setting or limit
}

// String describes it in words.
func (c Clamp) String() string {
	if c.Got > c.Wanted {
		return fmt.Sprintf("wanted %d, raised to %d by %s", c.Wanted, c.Got, c.By)
	}
	return fmt.Sprintf("wanted %d, clamped to %d by %s", c.Wanted, c.Got, c.By)
}

// guarded is the number of workers on its way through the bounds.
type guarded struct {
	n      int
	clamps []Clamp
}

func (g *guarded) atMost(n int, by string) {
	if n = max(0, n); g.n > n {
		g.clamps = append(g.clamps, Clamp{g.n, n, by})
		g.n = n
	}
}

func (g *guarded) atLeast(n int, by string) {
	if g.n < n {
		g.clamps = append(g.clamps, Clamp{g.n, n, by})
		g.n = n
	}
}

// guard bounds what is wanted. What must not be passed comes last, so that it
// holds against everything before it: the cap, the group's maximum, the budget.
func (c Case) guard(wanted int, outcome procurement.Outcome, after State) (int, []Clamp, State) {
	set, have := c.Settings, c.Have()
	if set.Fleet == settings.FleetFixed {
		g := guarded{n: wanted}
		g.atMost(have, "fleet=fixed")
		g.atLeast(have, "fleet=fixed")
		return g.n, g.clamps, after
	}
	g := guarded{n: max(0, wanted)}
	if outcome == procurement.Decided {
		var n int
		n, after = c.lower(g.n, after)
		g.atLeast(n, "scale_in_wait_seconds")
		if c.At.Sub(after.WatchedFrom).Seconds() < set.WatchSeconds {
			g.atLeast(have, "watch_seconds")
		}
	}
	g.atLeast(have-set.MaxStep, "max_step")
	g.atLeast(set.MinWorkers, "min_workers")
	g.atLeast(c.Group.Min, "the group's minimum")
	g.atMost(max(have, c.Group.Desired)+set.MaxStep, "max_step")
	g.atMost(set.MaxWorkers, "max_workers")
	g.atMost(c.Group.Max, "the group's maximum")
	if n, limited := c.affordable(g.n); limited {
		g.atMost(n, byBudget)
	}
	return g.n, g.clamps, after
}

// budgetLeft is what may still be spent in this clock hour; false without a budget.
func (c Case) budgetLeft() (float64, bool) {
	return max(0, c.Settings.HourlyBudgetUSD-c.SpentUSD-c.Others.SpentUSD), c.Settings.HourlyBudgetUSD > 0
}

// affordable is how many workers the budget pays for, for a whole hour and for
// what is left of this one; false without a budget or a price. The second is pro rata, as
// what was spent in this hour is known here; overflow.LimitsOf, which counts what functions
// have taken from the beginning of the hour, takes off the workers of all of it. What this
// tick has decided for other pools is taken off. The rest is divided between this pool,
// which wants some workers, and those that are decided later: a pool that wants less than
// an equal part has what it wants, and the others have equal parts of the rest.
func (c Case) affordable(wanted int) (int, bool) {
	left, limited := c.budgetLeft()
	price := c.Snapshot.WorkerUSDPerHour
	if !limited || price <= 0 {
		return 0, false
	}
	toGo := c.At.Truncate(time.Hour).Add(time.Hour).Sub(c.At).Hours()
	toGo = max(toGo, c.Settings.TickSeconds/3600)
	perHour := max(0, min(left/toGo, c.Settings.HourlyBudgetUSD)-c.Others.DecidedUSDPerHour)
	if later := c.Others.WantedUSDPerHour; len(later) > 0 {
		perHour = equalPart(perHour, append([]float64{price * float64(wanted)}, later...))
	}
	n := min(perHour/price, mostWorkers)
	return int(math.Floor(n + 1e-9)), true
}

// equalPart is the most that any one may have of an amount, where nobody has more than it
// wants: all of the amount if it is enough for everyone.
func equalPart(amount float64, wanted []float64) float64 {
	wanted = slices.Sorted(slices.Values(wanted))
	rest := amount
	for i, w := range wanted {
		if part := rest / float64(len(wanted)-i); w >= part {
			return part
		}
		rest -= w
	}
	return amount
}

// BeforeBudget is how many workers a decision would have been for without the budget.
func (r Record) BeforeBudget() int {
	for _, k := range r.Clamps {
		if k.By == byBudget {
			return k.Wanted
		}
	}
	return r.Action.To
}
