package procurement

import (
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Nowcast is what arrived between two ticks, as workers and queues report it: a
// minute or so before the metrics do.
type Nowcast struct {
	At        time.Time `json:"at"` // the end of it
	Seconds   float64   `json:"seconds"`
	PerSecond float64   `json:"per_second"`
}

// read adds what the workers did since the last tick, and what began to wait,
// and drops what the metrics show by now. What overflowed is not in it: workers
// that are fully used give a least value, and the metrics' last one stands if
// it is higher.
func (st State) read(now time.Time, s Snapshot, set settings.Settings) State {
	var kept []Nowcast
	for _, r := range st.Nowcasts {
		if r.At.After(st.KnownUntil) && r.At.Before(now) {
			kept = append(kept, r)
		}
	}
	served := s.Pool.Used * float64(s.Pool.Ready) * s.Throughput()
	waits := (s.Pool.QueuedMS - st.QueuedMS) / s.ServiceMS / set.TickSeconds
	rate := max(0, served+waits)
	if s.Pool.Used > fullyUsed || s.Pool.QueuedMS > 0 {
		rate = max(rate, st.rate(shownSeconds))
	}
	st.Nowcasts = append(kept, Nowcast{At: now, Seconds: set.TickSeconds, PerSecond: rate})
	st.QueuedMS = s.Pool.QueuedMS
	return st
}

// extended is the state with the readings as its newest arrivals. The reading
// that the metrics show a part of counts with its other part.
func (st State) extended(now time.Time) State {
	missing := int(now.Sub(st.KnownUntil).Seconds()) + len(st.Nowcasts) // each may round up
	history := append(make([]float64, 0, len(st.History)+max(0, missing)), st.History...)
	for _, r := range st.Nowcasts {
		seconds := math.Min(r.Seconds, r.At.Sub(st.KnownUntil).Seconds())
		for range int(seconds + 0.5) {
			history = append(history, r.PerSecond)
		}
	}
	st.History, st.KnownUntil = history, now
	return st
}
