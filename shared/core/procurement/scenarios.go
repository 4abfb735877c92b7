package procurement

import (
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// scenario is one view of the load to come.
type scenario struct {
	name   string
	why    string // what it expects, in words
	load   load
	bursts bool // whether more came than was expected
	// lastsSeconds is for how long the load lasts at least; 0 where nobody knows.
	lastsSeconds float64
}

// scenarios are those of hedged, the simple rule first. The state is the extended
// one, with what metrics do not show yet.
func scenarios(now time.Time, s Snapshot, set settings.Settings, st State) []scenario {
	out := []scenario{
		lately(shortSeconds, st),
		forecasted(now, set, st),
		unchanged(st.unchangedSeconds(int(set.HedgeWindowSeconds)), st),
		lately(int(set.HedgeWindowSeconds), st).lasting(),
	}
	for i := range out {
		out[i].burst(s, set, st)
	}
	return append(out, out[len(out)-1].waiting(int(set.HedgeWindowSeconds), st))
}

// lately expects the rates of the last seconds again. The number of workers that
// costs least is then the newsvendor's quantile, at 1 - 1/ratio.
func lately(seconds int, st State) scenario {
	rates := st.bins(binSeconds, seconds/binSeconds)
	if len(rates) == 0 {
		rates = []float64{st.rate(seconds)}
	}
	return scenario{
		name: fmt.Sprintf("the last %d minutes", seconds/60), load: loadOf([][]float64{rates}, binSeconds, false),
		why: fmt.Sprintf("%s, the mean of the last %d s", Rate(st.rate(seconds)), len(rates)*binSeconds),
	}
}

// unchanged expects the rates since the load last changed again, for as long as they came.
func unchanged(seconds int, st State) scenario {
	sc := lately(seconds, st).lasting()
	sc.name = "the load since its last change"
	return sc
}

// unchangedSeconds is for how long the load has been what it is now, at most most: as far back as
// the mean of each three minutes differs from that of the last ones by no more than chance
// or a slow drift explains.
func (st State) unchangedSeconds(most int) int {
	rates := st.bins(shortSeconds, most/shortSeconds)
	if len(rates) == 0 {
		return shortSeconds
	}
	now, n := rates[len(rates)-1], 1
	for ; n < len(rates); n++ {
		rate := rates[len(rates)-1-n]
		if chance := changeDeviations * math.Sqrt((rate+now)/shortSeconds); math.Abs(rate-now) > chance+changeShare*now {
			break
		}
	}
	return n * shortSeconds
}

// lasting is such a scenario whose load comes again for as long as it came: what a change
// costs then spreads over that time.
func (sc scenario) lasting() scenario {
	for _, rates := range sc.load.series {
		sc.lastsSeconds = float64(len(rates) * sc.load.step)
	}
	return sc
}

// waiting is such a scenario where relaxed queries wait for workers as long as they may, which
// takes of its peaks. A burst is planned for without that: nobody knows how long it lasts.
func (sc scenario) waiting(seconds int, st State) scenario {
	sc.name += " (relaxed queries wait)"
	if rates := st.bins(1, seconds); !sc.bursts && len(rates) > 0 {
		sc.load = loadOf([][]float64{rates}, 1, true)
	}
	return sc
}

// forecasted expects the forecast for when a worker that is started now serves, in
// bandParts equally likely parts of its error band, each moving around its level as
// load did.
func forecasted(now time.Time, set settings.Settings, st State) scenario {
	band := expect(now, set, st)
	shape := detrended(st.bins(profileSeconds, int(set.HedgeWindowSeconds)/profileSeconds), levelSeconds/profileSeconds)
	if len(shape) == 0 {
		shape = []float64{1}
	}
	sc := scenario{name: "the forecast", why: forecastWords(band), load: loadOf(make([][]float64, bandParts), profileSeconds, false)}
	for i := range sc.load.series {
		level := band.Quantile(float64(2*i+1) / (2 * bandParts))
		for _, v := range shape {
			sc.load.series[i] = append(sc.load.series[i], level*v)
		}
	}
	return sc
}

// burst takes what is measured for the load when that is above all that was
// expected: in a flash crowd every scenario is wrong. The backlog counts as load
// when it takes the load far above, as more overflows then than was counted yet; it
// need be worked off only within the time that relaxed queries may wait.
func (sc *scenario) burst(s Snapshot, set settings.Settings, st State) {
	top := sc.load.top()
	seen, words := st.rate(burstSeconds), fmt.Sprintf("the mean of the last %d s", burstSeconds)
	within := set.BacklogSeconds
	if s.DeferMS > 0 {
		within = s.DeferMS / 1000
	}
	if with := seen + s.Pool.QueuedMS/s.ServiceMS/within; with > burstFactor*top {
		seen, words = with, words+" with the backlog"
	}
	if seen > top*(1+sameRate) {
		sc.bursts, sc.lastsSeconds = true, 0
		sc.load, sc.why = loadOf([][]float64{{seen}}, binSeconds, false), fmt.Sprintf("%s, %s, which is more than was expected", Rate(seen), words)
	}
}

// sameRate is the rounding within which two means of the same arrivals are equal.
const sameRate = 1e-9

// detrended is how a load moves around its level: each rate divided by the mean of
// the steps around it. Slower movement is the forecast's, whose band has it: a
// step in the load of half an hour ago says nothing of how the load moves now.
func detrended(rates []float64, steps int) []float64 {
	out := make([]float64, len(rates))
	width := min(len(rates), max(1, steps)+1)
	for i, v := range rates {
		from := min(max(0, i-width/2), len(rates)-width)
		level := 0.0
		for _, r := range rates[from : from+width] {
			level += r / float64(width)
		}
		out[i] = 1
		if level > 0 {
			out[i] = v / level
		}
	}
	return out
}
