package decision

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// String describes the decision in a line.
func (r Record) String() string {
	return fmt.Sprintf("%s %s %s", r.Case.At.Format(time.RFC3339), r.Scheme, r.Summary())
}

// Summary reports what is done and why, without when and by whom.
func (r Record) Summary() string {
	var b strings.Builder
	b.WriteString(r.Action.String() + r.coming())
	if r.Case.Settings.Fleet == settings.FleetFixed {
		fmt.Fprintf(&b, " (the fleet is fixed; wanted %d)", r.Wanted)
	}
	b.WriteString(": ")
	if r.quiet() {
		b.WriteString("no query has arrived lately; ")
	}
	b.WriteString(r.Reason)
	for _, c := range r.Clamps {
		b.WriteString("; " + c.String())
	}
	if r.Case.LaunchFailed() {
		b.WriteString("; the newest launch failed: " + r.Case.Group.LaunchFault)
	}
	return b.String()
}

// coming reports the workers that do not serve yet where their number is to stay: those that
// boot, and those that were asked for before and are not launched yet.
func (r Record) coming() (text string) {
	if r.Action.To != r.Action.From || len(r.Action.Replace) > 0 {
		return ""
	}
	if n := r.Case.Snapshot.Pool.Booting; n > 0 {
		text = fmt.Sprintf(", %d of them booting", n)
	}
	if n := r.Case.Group.Desired - r.Case.Have(); n > 0 && !r.Action.Set && r.Case.Group.LaunchFault == "" {
		text += fmt.Sprintf(", while %d more start", n)
	}
	return text
}

// quiet reports whether the scheme decided by arrivals of which there are none.
func (r Record) quiet() bool {
	past, now := r.Case.Before.Scheme.History, r.Case.Snapshot.Arrivals
	return r.Outcome == procurement.Decided && len(past)+len(now) > 0 &&
		!slices.ContainsFunc(past, func(n float64) bool { return n > 0 }) && !slices.ContainsFunc(now, func(s procurement.Second) bool { return s.All() > 0 })
}

// String reports what is done to the fleet.
func (a Action) String() string {
	switch {
	case a.To > a.From:
		return fmt.Sprintf("grow from %d to %s", a.From, procurement.Count(a.To))
	case a.To < a.From:
		return fmt.Sprintf("shrink from %d to %s", a.From, procurement.Count(a.To))
	case len(a.Replace) > 0:
		return fmt.Sprintf("keep %s, replace %d", procurement.Count(a.To), len(a.Replace))
	}
	return "keep " + procurement.Count(a.To)
}

// Explain describes the whole decision, a fact a line.
func (r Record) Explain() string {
	c, p := r.Case, r.Case.Snapshot.Pool
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	line("tick", "%s", r.ID)
	line("scheme", "%s %s; settings version %d", r.Scheme, outcomes[r.Outcome], c.SettingsVersion)
	for _, s := range c.Signals {
		line("signal", "%s", s)
	}
	line("workers", "%d ready, %d booting, %d draining", p.Ready, p.Booting, p.Draining)
	line("load", "%d of %d runners are busy now; since the last tick they were busy for %.0f %% of the time; %.1f s of work is queued",
		p.BusyRunners, p.Ready*p.RunnersEach, 100*p.Used, p.QueuedMS/1000)
	line("prices", "%s", c.Snapshot.Prices())
	if c.Group.Warm > 0 {
		line("warm", "%d stopped instances can serve %.0f s after they are started", c.Group.Warm, c.warmSettings().VMBootSeconds)
	}
	for _, k := range r.Candidates {
		line("candidate", "%s at %s per hour: %s", procurement.Count(k.Workers), pricing.Dollars(k.USDPerHour), k.Why)
	}
	line("wanted", "%d: %s", r.Wanted, r.Reason)
	for _, k := range r.Clamps {
		line("clamp", "%s", k)
	}
	for _, f := range c.SettingsFaults {
		line("setting", "%s", f)
	}
	line("action", "%s", r.Action)
	line("overflow", "%s", r.Action.overflow())
	for _, id := range r.Action.Drain {
		line("drained", "%s", id)
	}
	for _, id := range r.Action.Replace {
		line("replaced", "%s", id)
	}
	if left := r.Action.BudgetLeftUSD; left != nil {
		line("budget", "%s are left of this hour's budget of %s", pricing.Dollars(*left), pricing.Dollars(c.Settings.HourlyBudgetUSD))
		if o := c.Others; !o.none() {
			line("budget", "workers of other pools have cost %s this hour; of the budget, this tick has already given them %s per hour", pricing.Dollars(o.SpentUSD), pricing.Dollars(o.DecidedUSDPerHour))
		}
	}
	return b.String()
}

// overflow says which queries may go to functions.
func (a Action) overflow() string {
	if a.Strict == a.Relaxed {
		so := ", and so do relaxed queries"
		if a.Strict != procurement.AtBound {
			so = ", and neither do relaxed queries"
		}
		return a.Strict.Of(query.Strict) + so
	}
	return a.Strict.Of(query.Strict) + "; " + a.Relaxed.Of(query.Relaxed)
}

// outcomes are how decisions come about, in words.
var outcomes = map[procurement.Outcome]string{
	procurement.Decided:  "made the decision",
	procurement.Held:     "made no decision, because a signal is not reliable: the number of workers stays",
	procurement.SafeMode: "made no decision, because a signal has not been reliable for long: safe mode",
}

// String reports how a signal stands.
func (s Signal) String() string {
	if s.Fault != "" {
		return s.Name + ": not reliable: " + s.Fault
	}
	if s.Note != "" {
		return s.Name + ": " + s.Note
	}
	return fmt.Sprintf("%s, %.0f s old", s.Name, s.AgeSeconds)
}
