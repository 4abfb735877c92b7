package procurement

import (
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Plans are the numbers of workers that hedged's scenarios asked for at the last
// ticks, by which they are compared.
type Plans struct {
	At          time.Time `json:"at,omitzero"` // the last tick
	TickSeconds float64   `json:"tick_seconds,omitempty"`
	Workers     [][]int   `json:"workers,omitempty"`  // by scenario, a number a tick, oldest first
	Followed    int       `json:"followed,omitempty"` // the scenario that the fleet follows
}

// before returns the plans up to the tick before now. Ticks that were missed asked
// for what was asked for last. Without plans, or with ticks of another length, they
// begin anew with the workers there are.
func (p Plans) before(now time.Time, tickSeconds float64, scenarios, have int) Plans {
	missed := int(now.Sub(p.At).Seconds()/tickSeconds+0.5) - 1
	if len(p.Workers) != scenarios || p.TickSeconds != tickSeconds || missed < 0 || missed > keepSeconds || p.Followed < 0 || p.Followed >= scenarios {
		p = Plans{TickSeconds: tickSeconds, Workers: slices.Repeat([][]int{{have}}, scenarios)}
		missed = 0
	}
	p.At = now.Add(-time.Duration(tickSeconds * float64(time.Second)))
	workers := p.Workers
	p.Workers = make([][]int, scenarios)
	for i, w := range workers {
		p.Workers[i] = slices.Concat(w, slices.Repeat(w[len(w)-1:], missed))
	}
	return p
}

// last is what a scenario asked for at the last tick.
func (p Plans) last(scenario int) int {
	w := p.Workers[scenario]
	return w[len(w)-1]
}

// with adds what the scenarios ask for now; it keeps the newest ticks, most of them at the most.
func (p Plans) with(now time.Time, chosen []choice, most int) Plans {
	p.At = now
	for i, c := range chosen {
		w := append(p.Workers[i], c.workers)
		p.Workers[i] = w[max(0, len(w)-most):]
	}
	return p
}

// spent is what each scenario's numbers would have cost on the arrivals that are
// known by now, in US dollars.
func (p Plans) spent(st State, set settings.Settings, c costs) []float64 {
	rates := p.rates(st)
	out := make([]float64, len(p.Workers))
	for i, w := range p.Workers {
		out[i] = c.played(w, rates, set)
	}
	return out
}

// rates are the arrivals of each second of each tick that is known, in queries a second,
// oldest first; ticks before what is remembered have none.
func (p Plans) rates(st State) [][]float64 {
	n, tick := len(p.Workers[0]), int(p.TickSeconds)
	at := len(st.History) - int(st.KnownUntil.Sub(p.At).Seconds()) - (n-1)*tick // of the first tick
	var out [][]float64
	for ; len(out) < n && at+tick <= len(st.History); at += tick {
		var rate []float64
		if at >= 0 {
			rate = st.History[at : at+tick]
		}
		out = append(out, rate)
	}
	return out
}

// played is what the given numbers of workers, one a tick, cost with the given rates of queries in each second of
// the ticks, of which relaxed ones wait for workers as long as they may. Workers
// leave only when fewer were asked for during scale_in_wait_seconds, the last
// started first, and serve once they have been there for a boot.
func (c costs) played(workers []int, rates [][]float64, set settings.Settings) float64 {
	boot, wait := int(math.Ceil(c.boot/set.TickSeconds)), int(set.ScaleInWaitSeconds/set.TickSeconds)
	have, ready := make([]int, len(rates)), make([]int, len(rates))
	known, usd := len(rates), 0.0
	var seconds []float64
	for i, rate := range rates {
		have[i] = slices.Max(workers[max(0, i-wait) : i+1])
		ready[i] = slices.Min(have[max(0, i-boot) : i+1])
		if rate == nil {
			continue
		}
		known = min(known, i)
		seconds = append(seconds, rate...)
		usd += set.TickSeconds * float64(have[i]) * c.workerUSD / 3600
	}
	return usd + c.overflowUSD(seconds, 1, func(i int) int { return ready[known+i/int(set.TickSeconds)] })
}

// cheapest is the scenario to follow: the one followed, unless another would have
// cost less by more than switchMargin.
func cheapest(usd []float64, followed int) int {
	best := followed
	for i, v := range usd {
		if v < usd[best] {
			best = i
		}
	}
	if usd[best] < usd[followed]*(1-switchMargin) {
		return best
	}
	return followed
}
