package procurement

import (
	"fmt"
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
	// Served is the part of PerSecond that the workers' use stands for, before it
	// is corrected. Absent in nowcasts by the second version of the rules.
	Served float64 `json:"served,omitempty"`
}

// UseCheck compares what the workers' use stood for with what the metrics showed
// for the same seconds later, in queries. The older a nowcast, the less it counts.
type UseCheck struct {
	Inferred float64 `json:"inferred"`
	Arrived  float64 `json:"arrived"`
}

// add counts a nowcast over the given seconds.
func (u UseCheck) add(seconds, servedPerSecond, arrivedPerSecond float64) UseCheck {
	keep := math.Max(0, 1-seconds/useCheckSeconds)
	return UseCheck{u.Inferred*keep + seconds*servedPerSecond, u.Arrived*keep + seconds*arrivedPerSecond}
}

// corrected is what the workers' use comes to in queries a second, when by the
// profiles it stands for servedPerSecond. Where a query takes longer than its profile says,
// as with models of microseconds, it stands for too many: a use that was too high by
// useOff or more is corrected. It is not where the workers are used much, as that
// many are needed then whatever the profiles say, nor where it was too low, since
// what overflows uses no worker.
func (u UseCheck) corrected(servedPerSecond float64, p Pool) float64 {
	if u.Inferred < useCheckQueries || u.Arrived*useOff > u.Inferred || p.Used*float64(p.Ready) > littleUsed {
		return servedPerSecond
	}
	return servedPerSecond * u.Arrived / u.Inferred
}

// read adds what the workers did since the last tick, and what began to wait,
// and drops what the metrics show by now. What overflowed is not in it: workers
// that are fully used give a least value, and the metrics' last one stands if
// it is higher. So it does where no worker is up, as all overflows then.
func (st State) read(now time.Time, s Snapshot, set settings.Settings) State {
	st = st.checked(now)
	inferred := s.servedPerSecond()
	served := st.Use.corrected(inferred, s.Pool)
	st.Nowcasts = append(st.Nowcasts, Nowcast{At: now, Seconds: set.TickSeconds, PerSecond: st.nowcast(s, set, served), Served: inferred})
	st.QueuedMS = s.Pool.QueuedMS
	return st
}

// servedPerSecond is what the workers' use stands for by the profiles.
func (s Snapshot) servedPerSecond() float64 {
	return s.Pool.Used * float64(s.Pool.Ready) * s.Throughput()
}

// nowcast is what arrives a second when served queries a second are answered.
func (st State) nowcast(s Snapshot, set settings.Settings, served float64) float64 {
	waits := (s.Pool.QueuedMS - st.QueuedMS) / s.ServiceMS / set.TickSeconds
	rate := max(0, served+waits)
	if s.Pool.Used > fullyUsed || s.Pool.QueuedMS > 0 || s.Pool.Ready == 0 {
		rate = max(rate, st.rate(shownSeconds))
	}
	return rate
}

// checked drops the nowcasts whose seconds the metrics show by now, and compares
// them with what was shown. Late points still change the newest seconds: a nowcast
// is kept until the metrics are past it by as much as they are late.
func (st State) checked(now time.Time) State {
	late := min(now.Sub(st.KnownUntil), RereadSeconds*time.Second)
	settled := st.KnownUntil.Add(-max(0, late))
	var kept []Nowcast
	for _, n := range st.Nowcasts {
		switch {
		case n.At.After(settled) && n.At.Before(now):
			kept = append(kept, n)
		case n.At.Before(now):
			if arrived, ok := st.shown(n); ok {
				st.Use = st.Use.add(n.Seconds, n.Served, arrived)
			}
		}
	}
	st.Nowcasts = kept
	return st
}

// shown is what the metrics show of a nowcast's seconds, in queries a second;
// false when they reach no longer that far back.
func (st State) shown(n Nowcast) (perSecond float64, ok bool) {
	to := len(st.History) - int(st.KnownUntil.Sub(n.At)/time.Second)
	from := to - int(n.Seconds+0.5)
	if from < 0 || to > len(st.History) || from >= to {
		return 0, false
	}
	return mean(st.History[from:to]), true
}

// usedWords report a load that the metrics do not show: workers that are used as much as
// useOff times the queries that the metrics end with. Either more arrive since, or a query
// takes longer than its profile says.
func (st State) usedWords(now time.Time) string {
	var inferred, seconds float64
	for _, n := range st.Nowcasts {
		if n.At.After(st.KnownUntil) {
			inferred, seconds = inferred+n.PerSecond*n.Seconds, seconds+n.Seconds
		}
	}
	shown := st.rate(shownSeconds)
	if len(st.History) == 0 || inferred < useCheckQueries || inferred < useOff*shown*seconds {
		return ""
	}
	return fmt.Sprintf("; the metrics end %.0f s ago with %s, and, judged by the workers' utilization and the profiles, %s have come since",
		now.Sub(st.KnownUntil).Seconds(), Rate(shown), Rate(inferred/seconds))
}

// extended is the state with the nowcasts that the metrics do not show yet as its
// newest arrivals. The one that the metrics show a part of counts with its other part.
func (st State) extended(now time.Time) State {
	missing := int(now.Sub(st.KnownUntil).Seconds()) + len(st.Nowcasts) // each may round up
	history := append(make([]float64, 0, len(st.History)+max(0, missing)), st.History...)
	for _, n := range st.Nowcasts {
		seconds := math.Min(n.Seconds, n.At.Sub(st.KnownUntil).Seconds())
		for range int(max(0, seconds) + 0.5) {
			history = append(history, n.PerSecond)
		}
	}
	st.History, st.KnownUntil = history, now
	return st
}
