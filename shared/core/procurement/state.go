package procurement

import (
	"math"
	"time"
)

// State is what a scheme remembers between two ticks. It can be stored as JSON.
type State struct {
	// SeenTo is the end of the last second that History holds.
	SeenTo time.Time `json:"seen_to,omitzero"`
	// History holds the arrivals of the last seconds, oldest first.
	History []float64 `json:"history,omitempty"`
	// StrictShare is the share of strict queries, of the last hundred seconds or so.
	StrictShare float64 `json:"strict_share,omitempty"`
	// Strict and Relaxed are the rules in force.
	Strict  Overflow `json:"strict_overflow,omitempty"`
	Relaxed Overflow `json:"relaxed_overflow,omitempty"`
	// LowReadings is util_aware's count.
	LowReadings int `json:"low_readings,omitempty"`
	// PredictedAt and Predicted are mixed_predictive's last prediction.
	PredictedAt time.Time `json:"predicted_at,omitzero"`
	Predicted   float64   `json:"predicted,omitempty"`
	// Readings are hedged's own estimates of the arrivals that the metrics do not
	// show yet, and QueuedMS the work that waited at the last of them.
	Readings []Reading `json:"readings,omitempty"`
	QueuedMS float64   `json:"queued_ms,omitempty"`
	// Load is what paragon takes the load for.
	Load Regime `json:"load,omitzero"`
}

// keepSeconds is how much of the past is remembered.
const keepSeconds = 3600

// shareMemory is over how many seconds the share of strict queries is averaged.
const shareMemory = 100

// see returns the state with what the snapshot shows of arrivals, or why it
// can not be relied upon. The state that it is called on stays as it was.
func (st State) see(now time.Time, s Snapshot) (State, string) {
	if why := faults(now, s); why != "" {
		return st, why
	}
	fresh := s.Arrivals
	if !st.SeenTo.IsZero() {
		fresh = fresh[len(fresh)-min(len(fresh), max(0, int(s.CoveredTo.Sub(st.SeenTo)/time.Second))):]
	}
	if len(fresh) > 0 {
		st.SeenTo = s.CoveredTo
	}
	fresh = fresh[max(0, len(fresh)-keepSeconds):]
	old := st.History[min(len(st.History), max(0, len(st.History)+len(fresh)-keepSeconds)):]
	history := make([]float64, 0, len(old)+len(fresh))
	history = append(history, old...)
	for _, a := range fresh {
		history = append(history, a.All())
		if all := a.All(); all > 0 {
			st.StrictShare += (a.Strict/all - st.StrictShare) / shareMemory
		}
	}
	st.History = history
	return st, ""
}

// faults says what in a snapshot can not be true or is too old to go by.
func faults(now time.Time, s Snapshot) string {
	for _, v := range []float64{s.Pool.QueuedMS, s.ServiceMS, s.DeferMS, s.WorkerUSDPerHour, s.FunctionUSD, s.Pool.Used, s.Pool.UsedLeast} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return "a signal is not a number, or negative"
		}
	}
	for _, a := range s.Arrivals {
		if v := a.All(); math.IsNaN(v) || math.IsInf(v, 0) || a.Strict < 0 || a.Relaxed < 0 {
			return "a count of arrivals is not a number, or negative"
		}
	}
	switch {
	case s.Throughput() <= 0:
		return "the throughput of a worker is not known"
	case s.CoveredTo.IsZero() || now.Sub(s.CoveredTo) > staleAfter:
		return "the arrivals are not known, or too old"
	case s.CoveredTo.After(now):
		return "the arrivals are from the future"
	}
	return ""
}

// staleAfter is the age at which arrivals are not gone by any more.
const staleAfter = 5 * time.Minute

// rate is the mean of the last seconds, in queries a second.
func (st State) rate(seconds int) float64 {
	tail := st.History[max(0, len(st.History)-seconds):]
	if len(tail) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range tail {
		sum += v
	}
	return sum / float64(len(tail))
}

// bins returns the past as rates over bins of so many seconds, oldest first,
// the last bin ending with the last second; at most so many of them.
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
