package procurement

import (
	"encoding/json"
	"math"
	"time"
)

// State is what a scheme remembers between two ticks. It can be stored as JSON.
type State struct {
	// KnownUntil is the end of the last second that History holds.
	KnownUntil time.Time `json:"seen_to,omitzero"`
	// History holds the arrivals of the last seconds, oldest first.
	History []float64 `json:"history,omitempty"`
	// StrictShare is the share of strict queries, of the last hundred seconds or so.
	StrictShare float64 `json:"strict_share,omitempty"`
	// StrictLast holds the strict ones of History's last seconds, RereadSeconds at
	// most: those that may still be shown with other counts. SettledShare is the
	// share of strict queries before them.
	StrictLast   []float64 `json:"strict_last,omitempty"`
	SettledShare float64   `json:"settled_share,omitempty"`
	// Strict and Relaxed are the rules in force.
	Strict  Overflow `json:"strict_overflow,omitempty"`
	Relaxed Overflow `json:"relaxed_overflow,omitempty"`
	// LowReadings is util_aware's count.
	LowReadings int `json:"low_readings,omitempty"`
	// PredictedAt and Predicted are mixed_predictive's last prediction.
	PredictedAt time.Time `json:"predicted_at,omitzero"`
	Predicted   float64   `json:"predicted,omitempty"`
	// Nowcasts are hedged's own estimates of the newest arrivals, which the metrics do
	// not show yet or may still change, and QueuedMS the work that waited at the last
	// of them.
	Nowcasts []Nowcast `json:"readings,omitempty"`
	QueuedMS float64   `json:"queued_ms,omitempty"`
	// Use is how far the workers' use was off in nowcasts that the metrics show by now.
	Use UseCheck `json:"use,omitzero"`
	// Plans are what hedged's scenarios asked for.
	Plans Plans `json:"plans,omitzero"`
	// Spot is what hedged has seen of spot instances.
	Spot SpotMemory `json:"spot,omitzero"`
	// Day and Hour are how load moves over a day and over an hour, as hedged has seen it.
	Day  Season `json:"season,omitzero"`
	Hour Season `json:"hour,omitzero"`
	// Load is what paragon takes the load for.
	Load Regime `json:"load,omitzero"`
	// Memory is what a scheme that is none of All remembers, in its own form.
	Memory json.RawMessage `json:"memory,omitempty"`
}

// keepSeconds is how much of the past is remembered.
const keepSeconds = 3600

// shareMemory is over how many seconds the share of strict queries is averaged.
const shareMemory = 100

// RereadSeconds is how far back seconds that were seen are shown again, as
// points of metrics come late. What is shown last replaces what was shown
// before; a second further back stays as it is.
const RereadSeconds = 120

// Fresh returns the seconds of a snapshot that the state has not seen.
func (st State) Fresh(s Snapshot) []Second {
	if st.KnownUntil.IsZero() {
		return s.Arrivals
	}
	n := len(s.Arrivals)
	return s.Arrivals[n-min(n, max(0, int(s.CoveredTo.Sub(st.KnownUntil)/time.Second))):]
}

// merge puts the seconds that a snapshot shows in the place of those of the last
// RereadSeconds, and behind them what is new. After seconds that nobody saw,
// nothing before them is replaced any more.
func (st State) merge(s Snapshot) State {
	shown, again := s.Arrivals, 0 // again is the number of seen seconds that follow the start of those shown
	if len(shown) == 0 {
		return st
	}
	if !st.KnownUntil.IsZero() {
		again = len(shown) - int(s.CoveredTo.Sub(st.KnownUntil)/time.Second)
	}
	if again < 0 || len(st.StrictLast) == 0 {
		st.SettledShare, st.StrictLast, again = st.StrictShare, nil, max(0, again)
	}
	last := len(st.StrictLast)
	if tooOld := again - last; tooOld > 0 {
		shown, again = shown[min(tooOld, len(shown)):], last
	}
	keep := st.History[min(len(st.History)-last, max(0, len(st.History)-again+len(shown)-keepSeconds)):]
	st.History = append(make([]float64, 0, len(keep)+len(shown)), keep...)
	st.StrictLast = append(make([]float64, 0, last+len(shown)), st.StrictLast...)
	for i, a := range shown {
		if back := again - i; back > 0 {
			st.History[len(keep)-back], st.StrictLast[last-back] = a.All(), a.Strict
			continue
		}
		st.History, st.StrictLast = append(st.History, a.All()), append(st.StrictLast, a.Strict)
	}
	if s.CoveredTo.After(st.KnownUntil) {
		st.KnownUntil = s.CoveredTo
	}
	st.share()
	st.History = st.History[max(0, len(st.History)-keepSeconds):]
	return st
}

// share takes the seconds that are settled by now out of StrictLast, and the
// share of strict queries with the rest of them.
func (st *State) share() {
	settled := max(0, len(st.StrictLast)-RereadSeconds)
	all := st.History[len(st.History)-len(st.StrictLast):]
	st.StrictShare = st.SettledShare
	for i, strict := range st.StrictLast {
		if i == settled {
			st.SettledShare = st.StrictShare
		}
		if all[i] > 0 {
			st.StrictShare += (strict/all[i] - st.StrictShare) / shareMemory
		}
	}
	st.StrictLast = st.StrictLast[settled:]
}

// strictShare is StrictShare without the share that its mean begins with, 0.
func (st State) strictShare() float64 {
	return min(1, st.StrictShare/(1-math.Pow(1-1./shareMemory, float64(max(1, len(st.History))))))
}

// rate is the mean of the last seconds, in queries a second.
func (st State) rate(seconds int) float64 {
	tail := st.History[max(0, len(st.History)-seconds):]
	if len(tail) == 0 {
		return 0
	}
	return mean(tail)
}

// mean is that of values of which there is one at least.
func mean(of []float64) float64 {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	return sum / float64(len(of))
}

// bins returns the past as rates over bins of the given seconds, oldest first,
// the last bin ending with the last second. If there are more than most, the oldest are left out.
func (st State) bins(seconds, most int) []float64 {
	n := min(len(st.History)/seconds, most)
	out := make([]float64, n)
	at := len(st.History) - n*seconds
	for i := range out {
		for _, v := range st.History[at : at+seconds] {
			out[i] += v / float64(seconds)
		}
		at += seconds
	}
	return out
}
