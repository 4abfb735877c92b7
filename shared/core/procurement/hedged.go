package procurement

import (
	"fmt"
	"math"
	"slices"
	"time"

	"paragon/shared/core/forecast"
	"paragon/shared/core/settings"
)

// hedged keeps the number of workers whose expected cost is least: workers,
// what overflows beyond them, and the boots that a change takes. The
// expectation is over the forecast's error band and over the way in which load
// has moved around its level lately, with relaxed queries as a buffer within
// their bound. Overflow is the recourse, at the bound only.
type hedged struct{}

func (hedged) Name() string { return "hedged" }

func (hedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	o := outlook(now, s, set, st)
	have := s.Pool.Ready + s.Pool.Booting
	d := Decision{Strict: AtBound, Relaxed: AtBound}
	best := math.Inf(1)
	low := max(0, min(have, int(o.levels[0]/s.Throughput()))-1)
	high := max(have, workers(s, o.levels[len(o.levels)-1]*o.peak)+1)
	for n := low; n <= high; n++ {
		usd := o.usdPerHour(n) + o.switchUSD(n, have)
		if usd < best {
			best, d.Workers = usd, n
		}
		if n >= have-1 && n <= have+1 || usd == best {
			d.Candidates = append(d.Candidates, Candidate{Workers: n, USDPerHour: usd})
		}
	}
	d.Candidates = told(d.Candidates, d.Workers)
	d.Reason = fmt.Sprintf("expects %.1f queries/s (%s, off by %.1f), functions cost %.1f times: %d workers for $%.3f an hour",
		o.band.Expected, o.band.By, o.band.MAE, s.PriceRatio(), d.Workers, best)
	return d, st
}

// told keeps the winner and its neighbours and says why each lost.
func told(cs []Candidate, winner int) []Candidate {
	i := slices.IndexFunc(cs, func(c Candidate) bool { return c.Workers == winner })
	if i < 0 {
		return nil
	}
	best := cs[i].USDPerHour
	cs = slices.DeleteFunc(cs, func(c Candidate) bool { return c.Workers < winner-2 || c.Workers > winner+2 })
	for k := range cs {
		cs[k].Why = "costs the least"
		if cs[k].Workers != winner {
			cs[k].Why = fmt.Sprintf("$%.4f an hour more", cs[k].USDPerHour-best)
		}
	}
	return cs
}

// view is what hedged expects.
type view struct {
	band      forecast.Band
	levels    []float64 // equally likely mean rates, rising, in queries a second
	shape     []float64 // how the load moves around its level, in the order of time; mean 1
	peak      float64   // the largest of them
	strict    float64   // share
	deferral  float64   // seconds
	mu        float64   // a worker's throughput
	workerUSD float64   // an hour
	queryUSD  float64   // of a function
	boot      float64   // seconds
	ahead     float64   // seconds over which a change pays
}

// outlookQuantiles are the middles of five equally likely parts of the band.
var outlookQuantiles = []float64{0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95}

// shapeSeconds is the step in which the load's movement is looked at: shorter
// ones are within what waits anyway.
const shapeSeconds = 5

func outlook(now time.Time, s Snapshot, set settings.Settings, st State) view {
	o := view{
		band: expect(now, set, st), strict: st.StrictShare, deferral: s.DeferMS / 1000, mu: s.Throughput(),
		workerUSD: s.WorkerUSDPerHour, queryUSD: s.FunctionUSD, boot: set.VMBootSeconds, ahead: set.HedgeAheadSeconds,
	}
	for _, q := range outlookQuantiles {
		o.levels = append(o.levels, o.band.Quantile(q))
	}
	o.shape = st.bins(shapeSeconds, int(set.HedgeWindowSeconds)/shapeSeconds)
	o.peak = 1
	mean := 0.0
	for _, v := range o.shape {
		mean += v / float64(len(o.shape))
	}
	for i := range o.shape {
		if mean > 0 {
			o.shape[i] /= mean
		}
		o.peak = max(o.peak, o.shape[i])
	}
	return o
}

// usdPerHour is the expected cost of running n workers, overflow included.
func (o view) usdPerHour(n int) float64 {
	over := 0.0
	for _, level := range o.levels {
		over += o.overflow(level, float64(n)*o.mu) / float64(len(o.levels))
	}
	return float64(n)*o.workerUSD + over*3600*o.queryUSD
}

// overflow is how many queries a second pass a capacity when load moves around
// a level. Relaxed queries wait, as far as their bound lets them.
func (o view) overflow(level, capacity float64) float64 {
	if len(o.shape) == 0 {
		return max(0, level-capacity)
	}
	waiting, over := 0.0, 0.0
	for _, v := range o.shape {
		rate := level * v
		room := rate * (1 - o.strict) * o.deferral
		waiting = max(0, waiting+(rate-capacity)*shapeSeconds)
		if waiting > room {
			over += waiting - room
			waiting = room
		}
	}
	return over / float64(len(o.shape)*shapeSeconds)
}

// switchUSD is what changing the fleet costs, an hour of the time for which
// the change should last: boots now, or boots again later.
func (o view) switchUSD(n, have int) float64 {
	return math.Abs(float64(n-have)) * o.workerUSD * o.boot / o.ahead
}
