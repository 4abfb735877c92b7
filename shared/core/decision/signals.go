package decision

import (
	"fmt"
	"slices"
	"time"

	"paragon/shared/core/procurement"
)

// The names of the signals.
const (
	Arrivals = "arrivals"
	Work     = "work" // what waits, what runs, and what it costs
	Clock    = "clock"
)

// tidy returns the case with what cannot be a value taken out, each with a
// fault in its signal: a broken signal is never read as zero. Doing it again
// changes nothing, so that a stored case decides as the first one did.
func (c Case) tidy() Case {
	c.At = c.At.UTC().Round(0)
	c.Signals = slices.Clone(c.Signals)
	c.Snapshot.CoveredTo = c.Snapshot.CoveredTo.UTC()
	c.arrivals()
	c.numbers()
	if before := c.Before.TickedAt; !before.IsZero() && c.At.Before(before) {
		c.fault(Clock, fmt.Sprintf("it went back by %.0f s", before.Sub(c.At).Seconds()))
	}
	return c
}

// arrivals checks what came, and how long ago that was.
func (c *Case) arrivals() {
	s := &c.Snapshot
	for i, a := range s.Arrivals {
		if !isValue(a.Strict) || !isValue(a.Relaxed) {
			c.fault(Arrivals, fmt.Sprintf("the second %d before the last is not a number, negative or beyond reason", len(s.Arrivals)-1-i))
			s.Arrivals = nil
			return
		}
	}
	fresh, sum := c.Before.Scheme.Fresh(*s), 0.0
	for _, a := range fresh {
		sum += a.All()
	}
	age := c.At.Sub(s.CoveredTo)
	stale := time.Duration(c.Settings.StaleSeconds * float64(time.Second))
	switch {
	case s.CoveredTo.IsZero():
		c.fault(Arrivals, "they are not known")
	case age < 0:
		c.fault(Arrivals, "they are from the future")
	case age > stale:
		c.fault(Arrivals, fmt.Sprintf("they are %.0f s old, and %.0f s is too old", age.Seconds(), stale.Seconds()))
	case sum == 0 && len(fresh) > 0 && s.Pool.BusyRunners > 0 && s.Pool.QueuedMS > 0:
		c.fault(Arrivals, "they are zero while queries wait and run")
	}
}

// numbers checks the rest.
func (c *Case) numbers() {
	s := &c.Snapshot
	for _, v := range []struct {
		name   string
		target *float64
	}{
		{"the work that waits", &s.Pool.QueuedMS}, {"the use of the workers", &s.Pool.Used}, {"the least use of a worker", &s.Pool.UsedLeast},
		{"the service time", &s.ServiceMS}, {"how long a relaxed query may wait", &s.DeferMS},
		{"the price of a worker", &s.WorkerUSDPerHour}, {"the price of a function", &s.FunctionUSD}, {"what was spent", &c.SpentUSD},
	} {
		if !isValue(*v.target) {
			c.fault(Work, v.name+" is not a number, negative or beyond reason")
			*v.target = 0
		}
	}
	if slices.ContainsFunc(s.Pool.IdleSeconds, func(v float64) bool { return !isValue(v) }) {
		c.fault(Work, "an idle time is not a number, negative or beyond reason")
		s.Pool.IdleSeconds = nil
	}
	if s.Pool.Ready < 0 || s.Pool.Booting < 0 || s.Pool.RunnersEach < 0 || s.Pool.BusyRunners < 0 {
		c.fault(Work, "a count of workers is negative")
		s.Pool = procurement.Pool{}
	}
	if s.Throughput() <= 0 {
		c.fault(Work, "the throughput of a worker is not known")
	}
}

// mostValue is above every count, time and price there is. Sums and products
// of a few such are still numbers.
const mostValue = 1e12

// isValue tells whether a count, a time or a price can be gone by; NaN is not
// within any bounds.
func isValue(v float64) bool { return v >= 0 && v <= mostValue }

// fault notes what is wrong with a signal, unless something is already. The
// slice of signals is the case's own.
func (c *Case) fault(name, what string) {
	for i := range c.Signals {
		if s := &c.Signals[i]; s.Name == name {
			if s.Fault == "" {
				s.Fault = what
			}
			return
		}
	}
	c.Signals = append(c.Signals, Signal{Name: name, Fault: what})
}

// faults lists what cannot be gone by, in words.
func (c Case) faults() []string {
	var out []string
	for _, s := range c.Signals {
		if s.Fault != "" {
			out = append(out, s.Name+": "+s.Fault)
		}
	}
	return out
}
