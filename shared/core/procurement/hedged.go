package procurement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// hedged keeps the number of workers whose expected cost is least: workers, what
// overflows beyond them, and the boots that a change takes. It has a few scenarios
// of the load to come, each with a number of workers, and follows the scenario
// whose numbers would have cost least on the arrivals of the last half hour.
// Overflow is the recourse, at the bound only.
type hedged struct{}

func (hedged) Name() string { return "hedged" }

func (hedged) Overflow() (strict, relaxed Overflow) { return AtBound, AtBound }

func (hedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	st = st.read(now, s, set)
	st.Day, st.Hour = st.Day.observe(st, minutesOfDay), st.Hour.observe(st, minutesOfHour)
	have := s.Pool.Ready + s.Pool.Booting
	if s.SpotUSDPerHour > 0 {
		st.Spot = st.Spot.observe(now, s.Pool)
		have = st.Spot.counted(s.Pool)
	}
	c := costsOf(s, set, st.strictShare(), spotOf(s, set, st.Spot))
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
		Candidates: explained(won.candidates, won.workers),
		Reason: fmt.Sprintf("%s at an expected cost of %s per hour, for %s; a query costs %s times as much on a function as on a busy worker; %s",
			Count(won.workers), pricing.Dollars(won.usdPerHour), all[plans.Followed].why, ratio(c.ratio), compared(all, spent, plans.Followed)) + st.usedWords(now),
	}
	for _, season := range []Season{st.Day, st.Hour} {
		if floor, why := season.floor(now, set, c, s.ColdLate, won.workers); floor > won.workers {
			won.workers, d.Reason = floor, d.Reason+why+fmt.Sprintf(", which needs at least %s", Count(floor))
		}
	}
	d.Workers, d.Spot, st.Spot = c.mixed(won.workers, all[plans.Followed], s.Pool, st.Spot)
	if c.spot.usd > 0 {
		d.Reason += fmt.Sprintf("; %d of the workers are spot instances, expected to be missing for %.2f %% of the time, and %d are on-demand instances", d.Spot, 100*c.spot.lostShare, d.Workers-d.Spot)
	}
	return d, st
}

// compared puts in words by which scenario is planned, and why.
func compared(all []scenario, spent []float64, followed int) string {
	if slices.Max(spent) == slices.Min(spent) {
		return "planned with " + all[followed].name
	}
	var others []string
	for i, sc := range all {
		if i != followed {
			others = append(others, sc.name+" "+pricing.Dollars(spent[i]))
		}
	}
	return fmt.Sprintf("planned with %s: on recent arrivals such plans would have cost %s, and plans with %s",
		all[followed].name, pricing.Dollars(spent[followed]), strings.Join(others, ", with "))
}

// choice is the number of workers that costs least in a scenario.
type choice struct {
	workers    int
	usdPerHour float64
	candidates []Candidate
}

// choose finds it, from the workers there are. From one worker on the cost is convex in
// their number: past the first that is more expensive all are. Without any worker the way
// to a function is another, so that none is compared with the best of them.
func (c costs) choose(sc scenario, have int) choice {
	best := choice{workers: max(1, have)}
	cost := func(n int) float64 {
		usd := c.usdPerHour(n, sc.load) + c.changeUSD(n, have, sc.lastsSeconds)
		best.candidates = append(best.candidates, Candidate{Workers: n, USDPerHour: usd})
		return usd
	}
	best.usdPerHour = cost(best.workers)
	from := best.workers
	for _, step := range []int{-1, 1} {
		for n := from + step; n >= 1 && best.workers-from == n-from-step; n += step {
			if usd := cost(n); usd < best.usdPerHour {
				best.usdPerHour, best.workers = usd, n
			}
		}
	}
	if best.workers > keepCandidates && c.leastAloneUSDPerHour(sc.load) > best.usdPerHour {
		return best // and no record keeps what none would cost
	}
	if usd := cost(0); usd < best.usdPerHour || usd == best.usdPerHour && have == 0 {
		best.usdPerHour, best.workers = usd, 0
	}
	return best
}

// explained keeps the winner and its neighbors and says why each lost.
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
			cs[k].Why = "costs " + pricing.Dollars(cs[k].USDPerHour-best) + " per hour more"
		}
	}
	return cs
}
