package decision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// The names of the signals. Others are named by who collects them.
const (
	Arrivals = procurement.SignalArrivals
	Work     = procurement.SignalWork
	Clock    = "clock"
)

// tidy returns the case with what cannot be a value taken out, each with a
// fault in its signal (procurement.Check). Doing it again changes nothing, so
// that a stored case decides as the first one did.
func (c Case) tidy() Case {
	c.At = c.At.UTC().Round(0)
	c.Signals = slices.Clone(c.Signals)
	c.Snapshot.CoveredTo = c.Snapshot.CoveredTo.UTC()
	var faults []procurement.Fault
	c.Snapshot, faults = procurement.Check(c.At, c.Snapshot, c.Before.Scheme, c.Settings)
	for _, f := range faults {
		c.fault(f.Signal, f.Why)
	}
	c.Others.WantedUSDPerHour = slices.Clone(c.Others.WantedUSDPerHour)
	amounts := []*float64{&c.SpentUSD, &c.Others.SpentUSD, &c.Others.DecidedUSDPerHour}
	for i := range c.Others.WantedUSDPerHour {
		amounts = append(amounts, &c.Others.WantedUSDPerHour[i])
	}
	for _, usd := range amounts {
		if !procurement.IsValue(*usd) {
			c.fault(Work, "the amount spent is not a number, is negative or is unreasonably large")
			*usd = 0
		}
	}
	if before := c.Before.TickedAt; !before.IsZero() && c.At.Before(before) {
		c.fault(Clock, fmt.Sprintf("the clock went back by %.0f s", before.Sub(c.At).Seconds()))
	}
	return c
}

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

// faults says what cannot be relied upon; empty when all can.
func (c Case) faults() string {
	var out []string
	for _, s := range c.Signals {
		if s.Fault != "" {
			out = append(out, s.Name+": "+s.Fault)
		}
	}
	return strings.Join(out, "; ")
}
