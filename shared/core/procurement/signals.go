package procurement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// The names of the signals that a snapshot holds.
const (
	SignalArrivals = "arrivals"
	SignalWork     = "work" // what waits, what runs, and what it costs
)

// Fault is why a signal cannot be relied upon.
type Fault struct {
	Signal string
	Why    string
}

// Check returns a snapshot with what cannot be a value taken out, and a fault for
// each signal that cannot be relied upon: a broken one is never read as zero.
// Arrivals older than stale_seconds are too old, for production and simulation
// alike. Checking again finds nothing new.
func Check(now time.Time, s Snapshot, before State, set settings.Settings) (Snapshot, []Fault) {
	c := check{s: s}
	c.arrivals(now, before, set)
	c.numbers()
	return c.s, c.faults
}

// reasons puts faults in words; empty without any.
func reasons(faults []Fault) string {
	out := make([]string, len(faults))
	for i, f := range faults {
		out[i] = f.Signal + ": " + f.Why
	}
	return strings.Join(out, "; ")
}

type check struct {
	s      Snapshot
	faults []Fault
}

// fault notes what is wrong with a signal, unless something is already.
func (c *check) fault(signal, format string, args ...any) {
	if !slices.ContainsFunc(c.faults, func(f Fault) bool { return f.Signal == signal }) {
		c.faults = append(c.faults, Fault{signal, fmt.Sprintf(format, args...)})
	}
}

// arrivals checks what came, and how long ago that was.
func (c *check) arrivals(now time.Time, before State, set settings.Settings) {
	s := &c.s
	for i, a := range s.Arrivals {
		if !IsValue(a.Strict) || !IsValue(a.Relaxed) {
			c.fault(SignalArrivals, "the second %d before the last is not a number, is negative or is unreasonably large", len(s.Arrivals)-1-i)
			s.Arrivals = nil
			return
		}
	}
	fresh, sum := before.Fresh(*s), 0.0
	for _, a := range fresh {
		sum += a.All()
	}
	age := now.Sub(s.CoveredTo)
	stale := time.Duration(set.StaleSeconds * float64(time.Second))
	switch {
	case s.CoveredTo.IsZero():
		c.fault(SignalArrivals, "the values are not known")
	case age < 0:
		c.fault(SignalArrivals, "the values are from the future")
	case age > stale:
		c.fault(SignalArrivals, "the values are %.0f s old, and may be at most %.0f s old", age.Seconds(), stale.Seconds())
	case sum == 0 && len(fresh) > 0 && s.Pool.BusyRunners > 0 && s.Pool.QueuedMS > 0:
		c.fault(SignalArrivals, "the values are zero, although queries wait and run")
	}
}

// numbers checks the rest.
func (c *check) numbers() {
	s := &c.s
	for _, v := range []struct {
		name   string
		target *float64
	}{
		{"the queued work", &s.Pool.QueuedMS}, {"the utilization of the workers", &s.Pool.Used}, {"the utilization of the least utilized worker", &s.Pool.UsedLeast},
		{"the service time", &s.ServiceMS}, {"the time that a relaxed query may wait", &s.DeferMS},
		{"the price of a worker", &s.WorkerUSDPerHour}, {"the price of a function", &s.FunctionUSD},
		{"the price of sending a query to a function", &s.OverflowUSD}, {"the price of sending a query to a function while no worker is ready", &s.UnaidedUSD}, {"the time on a function", &s.FunctionMS},
		{"the price of a spot instance", &s.SpotUSDPerHour},
	} {
		if !IsValue(*v.target) {
			c.fault(SignalWork, "%s is not a number, is negative or is unreasonably large", v.name)
			*v.target = 0
		}
	}
	if slices.ContainsFunc(s.Pool.IdleSeconds, func(v float64) bool { return !IsValue(v) }) {
		c.fault(SignalWork, "an idle time is not a number, is negative or is unreasonably large")
		s.Pool.IdleSeconds = nil
	}
	if min(s.Pool.SpotReady, s.Pool.SpotBooting, s.Pool.SpotLost) < 0 || s.Pool.Ready < 0 || s.Pool.Booting < 0 || s.Pool.RunnersEach < 0 || s.Pool.BusyRunners < 0 {
		c.fault(SignalWork, "a count of workers is negative")
		s.Pool = Pool{}
	}
	if s.Throughput() <= 0 {
		c.fault(SignalWork, "the throughput of a worker is not known")
	}
}

// mostValue is above every count, time and price there is. Sums and products
// of a few such are still numbers.
const mostValue = 1e12

// IsValue says whether a count, a time or a price can be relied upon; NaN is not
// within any bounds.
func IsValue(v float64) bool { return v >= 0 && v <= mostValue }
