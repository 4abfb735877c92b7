package procurement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// hedged keeps the number of workers whose expected cost is least: workers, what
// overflows beyond them, and the boots that a change takes. It has a few scenarios
// of the load to come, each with a number of workers, and follows the scenario
// whose numbers would have cost least on the arrivals of the last half hour.
// Overflow is the recourse, at the bound only.
type hedged struct{}

// uncorrectedHedged is hedged as the second version of the rules had it, which took
// the workers' use for what the profiles say. Nothing decides by it.
type uncorrectedHedged struct{ hedged }

func (uncorrectedHedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	return decideHedged(now, s, set, st.readUncorrected(now, s, set))
}

func (hedged) Name() string { return "hedged" }

func (hedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	return decideHedged(now, s, set, st.read(now, s, set))
}

// decideHedged decides once the workers and queues are read.
func decideHedged(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	have := s.Pool.Ready + s.Pool.Booting
	if s.SpotUSDPerHour > 0 {
		st.Spot = st.Spot.observe(now, s.Pool)
		have = st.Spot.counted(s.Pool)
	}
	c := costsOf(s, set, spotOf(s, set, st.Spot))
	all := scenarios(now, s, set, st.extended(now))
	plans := st.Plans.before(now, set.TickSeconds, len(all), have)
	spent := plans.spent(st, set, c)
	plans.Followed = cheapest(spent, plans.Followed)
	chosen := make([]choice, len(all))
	for i, sc := range all {
		from := plans.last(i)
		if i == plans.Followed {
			from = have
		}
		chosen[i] = c.choose(sc, from)
	}
	st.Plans = plans.with(now, chosen, int(set.HedgeWindowSeconds/set.TickSeconds))
	won := chosen[plans.Followed]
	d := Decision{
		Strict: AtBound, Relaxed: AtBound, Candidates: explained(won.candidates, won.workers),
		Reason: fmt.Sprintf("%d workers for $%.3f an hour: %s; overflow costs %.1f times; %s",
			won.workers, won.usdPerHour, all[plans.Followed].why, c.ratio, compared(all, spent, plans.Followed)),
	}
	d.Workers, d.Spot, st.Spot = c.mixed(won.workers, all[plans.Followed], s.Pool, st.Spot)
	if c.spot.usd > 0 {
		d.Reason += fmt.Sprintf("; asks for %d spot instances, lost for %.2f %% of the time, and %d workers on demand", d.Spot, 100*c.spot.lostShare, d.Workers-d.Spot)
	}
	return d, st
}

// compared puts in words what the scenarios would have cost.
func compared(all []scenario, spent []float64, followed int) string {
	out := make([]string, len(all))
	for i, sc := range all {
		out[i] = fmt.Sprintf("%s $%.3f", sc.name, spent[i])
	}
	return fmt.Sprintf("follows the scenario %q: on the last arrivals the plans would have cost %s", all[followed].name, strings.Join(out, ", "))
}

// choice is the number of workers that costs least in a scenario.
type choice struct {
	workers    int
	usdPerHour float64
	candidates []Candidate
}

// choose finds it, from the workers there are. The cost is convex in the number of
// workers: past the first that is more expensive all are.
func (c costs) choose(sc scenario, have int) choice {
	best := choice{workers: have, usdPerHour: c.usdPerHour(have, sc.rates)}
	best.candidates = []Candidate{{Workers: have, USDPerHour: best.usdPerHour}}
	for _, step := range []int{-1, 1} {
		for n := have + step; n >= 0; n += step {
			usd := c.usdPerHour(n, sc.rates) + c.changeUSD(n, have)
			best.candidates = append(best.candidates, Candidate{Workers: n, USDPerHour: usd})
			if usd >= best.usdPerHour {
				break
			}
			best.usdPerHour, best.workers = usd, n
		}
		if best.workers != have {
			break
		}
	}
	return best
}

// explained keeps the winner and its neighbours and says why each lost.
func explained(cs []Candidate, winner int) []Candidate {
	i := slices.IndexFunc(cs, func(c Candidate) bool { return c.Workers == winner })
	if i < 0 {
		return nil
	}
	best := cs[i].USDPerHour
	slices.SortFunc(cs, func(a, b Candidate) int { return a.Workers - b.Workers })
	cs = slices.DeleteFunc(cs, func(c Candidate) bool { return c.Workers < winner-keepCandidates || c.Workers > winner+keepCandidates })
	for k := range cs {
		cs[k].Why = "costs the least"
		if cs[k].Workers != winner {
			cs[k].Why = fmt.Sprintf("$%.4f an hour more", cs[k].USDPerHour-best)
		}
	}
	return cs
}
