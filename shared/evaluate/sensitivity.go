package evaluate

import (
	"context"
	"fmt"
	"io"
	"time"

	"paragon/shared/core/procurement"
	"paragon/shared/simulate"
)

// Finding is one of the paper's findings in one setting.
type Finding struct {
	Claim string
	Value float64 // in percent
	Holds bool
}

// Sensitive is one line of the sensitivity table.
type Sensitive struct {
	Trace        string
	PriceRatio   float64
	MetricDelay  time.Duration
	ReactiveRule string
	SlotRule     string
	Findings     []Finding
}

// variant is a setting of the table. All are changed one at a time from the
// first, as together they would be 54 a trace.
type variant struct {
	ratio    float64
	delay    time.Duration
	reactive string
	slots    string
}

// The rules of the table. The reactive rule is how much of what is seen reactive
// provides for, and how it closes; the slot rule is what overflow waits for.
const (
	withBacklog  = "rate + backlog / 10 s, idle 180 s"
	fastClose    = "rate + backlog / 10 s, idle 10 s"
	slowBacklog  = "rate + backlog / 60 s, idle 180 s"
	waitsToBound = "overflow at the bound"
	noFreeSlot   = "overflow when no runner is free"
)

func variants() []variant {
	base := variant{7, time.Minute, withBacklog, waitsToBound}
	out := []variant{base}
	add := func(change func(*variant)) {
		v := base
		change(&v)
		out = append(out, v)
	}
	for _, r := range []float64{2.5, 5} {
		add(func(v *variant) { v.ratio = r })
	}
	for _, d := range []time.Duration{0, 2 * time.Minute} {
		add(func(v *variant) { v.delay = d })
	}
	add(func(v *variant) { v.reactive = fastClose })
	add(func(v *variant) { v.reactive = slowBacklog })
	add(func(v *variant) { v.slots = noFreeSlot })
	return out
}

// apply changes a case to a variant.
func (v variant) apply(c *Case) error {
	c.References = false
	c.MetricDelay = v.delay
	switch v.reactive {
	case fastClose:
		c.Settings.IdleSeconds = 10
	case slowBacklog:
		c.Settings.BacklogSeconds = 60
	}
	cfg, err := c.Config(nil)
	if err != nil {
		return err
	}
	c.PriceFactor = v.ratio / simulate.PriceRatio(&cfg)
	return nil
}

// Sensitivity plays the paper's schemes on each trace in each variant and says
// which of the paper's findings hold.
func Sensitivity(ctx context.Context, cases []Case, done func(string)) ([]Sensitive, error) {
	var out []Sensitive
	for _, base := range cases {
		for _, v := range variants() {
			c := base
			if err := v.apply(&c); err != nil {
				return nil, err
			}
			rows, err := c.playVariant(ctx, v, done)
			if err != nil {
				return nil, err
			}
			out = append(out, Sensitive{c.Name, v.ratio, v.delay, v.reactive, v.slots, Findings(rows)})
		}
	}
	return out, nil
}

// playVariant plays every scheme, those that overflow with the slot rule.
func (c Case) playVariant(ctx context.Context, v variant, done func(string)) (map[string]Ran, error) {
	out := map[string]Ran{}
	var plain, eager []procurement.Scheme
	for _, s := range procurement.All() {
		switch s.Name() {
		case "mixed", "mixed_predictive", "paragon":
			eager = append(eager, s)
		case "hedged": // not the paper's
		default:
			plain = append(plain, s)
		}
	}
	e := c
	e.Eager = v.slots == noFreeSlot
	for _, part := range []struct {
		c       Case
		schemes []procurement.Scheme
	}{{c, plain}, {e, eager}} {
		rows, err := Play(ctx, part.c, part.schemes, done)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[r.Row.Scheme] = r
		}
	}
	return out, nil
}

// Findings measures the paper's findings on the rows of one trace, by scheme.
func Findings(rows map[string]Ran) []Finding {
	re, ut, ex, mi, pa := rows["reactive"].Row, rows["util_aware"].Row, rows["exascale"].Row, rows["mixed"].Row, rows["paragon"].Row
	more := func(r Row) float64 { return 100 * (ratio(r.VMHours, re.VMHours) - 1) }
	over := func(name string, r Row) Finding {
		return Finding{name + " holds 20 to 30 % more VMs with fewer violations", more(r), more(r) >= 20 && more(r) <= 30 && r.SLOViolation <= re.SLOViolation}
	}
	fewer := 0.0
	if re.SLOViolation > 0 {
		fewer = 100 * (1 - mi.SLOViolation/re.SLOViolation)
	}
	saved := 100 * (1 - ratio(pa.CostUSD, mi.CostUSD))
	return []Finding{
		over("util_aware", ut), over("exascale", ex),
		{"mixed cuts violations by 60 % or more at like cost", fewer, fewer >= 60 && mi.CostUSD <= 1.1*re.CostUSD},
		{"paragon is 10 % or more cheaper than mixed at like strict violations", saved, saved >= 10 && pa.StrictViolation <= mi.StrictViolation+0.005},
	}
}

// WriteSensitivity writes the table as Markdown.
func WriteSensitivity(w io.Writer, lines []Sensitive) error {
	if _, err := fmt.Fprint(w, "| trace | price ratio | metric delay | reactive rule | slot rule | util_aware VMs | exascale VMs | mixed: violations cut | paragon saves |\n|---|--:|--:|---|---|--:|--:|--:|--:|\n"); err != nil {
		return err
	}
	for _, l := range lines {
		fmt.Fprintf(w, "| %s | %.1f | %.0f s | %s | %s |", l.Trace, l.PriceRatio, l.MetricDelay.Seconds(), l.ReactiveRule, l.SlotRule)
		for _, f := range l.Findings {
			fmt.Fprintf(w, " %s |", verdict(f))
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}
