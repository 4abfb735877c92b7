package procurement

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/forecast"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Rules is the version of the schemes' rules. A record of a decision holds it; those
// of the first version hold none.
const Rules = 3

// ByRules is a scheme as an earlier version of the rules had it, with the setting
// that hedged had in the first one. It differs in hedged alone.
func ByRules(s Scheme, rules int, hedgeAheadSeconds float64) Scheme {
	if _, ok := s.(hedged); !ok {
		return s
	}
	switch rules {
	case Rules:
		return s
	case 2:
		return uncorrectedHedged{}
	default:
		return firstHedged{hedgeAheadSeconds}
	}
}

// firstHedged is hedged as its first version was. Nothing decides by it: it makes
// the records again that the first version wrote. It keeps the number of workers
// whose expected cost is least: workers, what overflows beyond them, and the boots
// that a change takes. The expectation is over the forecast's error band and over
// the way in which load moved around its level, with relaxed queries as a buffer
// within their bound.
type firstHedged struct{ aheadSeconds float64 }

func (firstHedged) Name() string { return "hedged" }

func (h firstHedged) Decide(now time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	st = st.readUncorrected(now, s, set)
	o := h.demandOf(now, s, set, st.extended(now))
	have := s.Pool.Ready + s.Pool.Booting
	d := Decision{Strict: AtBound, Relaxed: AtBound}
	best := o.weigh(have, have)
	d.Workers, d.Candidates = have, []Candidate{{Workers: have, USDPerHour: best}}
	for _, step := range []int{-1, 1} {
		// The cost is convex in the number of workers: past the first that is
		// more expensive all are.
		for n := have + step; n >= 0; n += step {
			usd := o.weigh(n, have)
			d.Candidates = append(d.Candidates, Candidate{Workers: n, USDPerHour: usd})
			if usd >= best {
				break
			}
			best, d.Workers = usd, n
		}
		if d.Workers != have {
			break
		}
	}
	d.Candidates = explained(d.Candidates, d.Workers)
	d.Reason = fmt.Sprintf("expects %.1f queries/s (%s, off by %.1f), functions cost %.1f times: %d workers for $%.3f an hour",
		o.band.Expected, o.band.By, o.band.MAE, s.PriceRatio(), d.Workers, best)
	return d, st
}

// demand is what it expects.
type demand struct {
	band      forecast.Band
	levels    []float64 // equally likely mean rates, rising, in queries a second
	profile   []float64 // how the load moves around its level, in the order of time; mean 1
	strict    float64   // share
	deferral  float64   // seconds
	mu        float64   // a worker's throughput
	workerUSD float64   // an hour
	queryUSD  float64   // of a function
	boot      float64   // seconds
	ahead     float64   // seconds over which a change pays
}

func (h firstHedged) demandOf(now time.Time, s Snapshot, set settings.Settings, st State) demand {
	o := demand{
		band: expect(now, set, st), strict: st.StrictShare, deferral: s.DeferMS / 1000, mu: s.Throughput(),
		workerUSD: s.WorkerUSDPerHour, queryUSD: s.FunctionUSD, boot: set.VMBootSeconds, ahead: h.aheadSeconds,
	}
	for i := range bandParts {
		o.levels = append(o.levels, o.band.Quantile(float64(2*i+1)/(2*bandParts)))
	}
	o.burstOverride(s, set, st)
	o.profile = detrended(st.bins(profileSeconds, int(set.HedgeWindowSeconds)/profileSeconds), levelSeconds/profileSeconds)
	return o
}

// detrended is how a load moves around its level: each rate by the mean of so
// many steps around it. Slower movement is the forecast's, whose band has it: a
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

// burstOverride takes what is seen for the load when that is above all that was
// expected: in a flash crowd the forecast is wrong, and its band with it. The
// backlog counts as load when it takes the load far above: more overflows then
// than anyone has counted yet.
func (o *demand) burstOverride(s Snapshot, set settings.Settings, st State) {
	top := o.levels[len(o.levels)-1]
	seen := st.rate(burstSeconds)
	if with := seen + s.Pool.QueuedMS/s.ServiceMS/set.BacklogSeconds; with > burstFactor*top {
		seen = with
	}
	if seen <= top {
		return
	}
	for i := range o.levels {
		o.levels[i] = seen
	}
}

// weigh is what n workers are expected to cost an hour where there are some.
func (o demand) weigh(n, have int) float64 { return o.usdPerHour(n) + o.switchUSD(n, have) }

// usdPerHour is the expected cost of running n workers, overflow included.
func (o demand) usdPerHour(n int) float64 {
	over := 0.0
	for _, level := range o.levels {
		over += o.overflow(level, float64(n)*o.mu) / float64(len(o.levels))
	}
	return float64(n)*o.workerUSD + over*3600*o.queryUSD
}

// overflow is how many queries a second pass a capacity when load moves around
// a level. Relaxed queries wait, as far as their bound lets them.
func (o demand) overflow(level, capacity float64) float64 {
	if len(o.profile) == 0 {
		return max(0, level-capacity)
	}
	waiting, over := 0.0, 0.0
	for _, v := range o.profile {
		rate := level * v
		room := rate * (1 - o.strict) * o.deferral
		waiting = max(0, waiting+(rate-capacity)*profileSeconds)
		if waiting > room {
			over += waiting - room
			waiting = room
		}
	}
	if level > capacity {
		over += waiting // no worker will ever come to it
	}
	return over / float64(len(o.profile)*profileSeconds)
}

// switchUSD is what changing the fleet costs, an hour of the time for which
// the change should last: boots now, or perhaps again later.
func (o demand) switchUSD(n, have int) float64 {
	boots := float64(n - have)
	if n < have {
		boots = float64(have-n) * restartShare
	}
	return boots * o.workerUSD * o.boot / o.ahead
}
