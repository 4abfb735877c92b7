// Package bills compares whole bills as deployed: every scheme and rival on windows of
// traces, under several seeds with their spread, and by definition. What it
// concludes is computed from the runs.
package bills

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// mostMissed is the share of missed bounds, in each class, up to which a scheme keeps
// them. A 429, a throttle and a cold start that is late are missed.
const mostMissed = 0.005

// Spread is a figure over the seeds.
type Spread struct{ Mean, Least, Most float64 }

func spread(of []float64) Spread {
	s := Spread{Least: slices.Min(of), Most: slices.Max(of)}
	for _, v := range of {
		s.Mean += v / float64(len(of))
	}
	return s
}

// Outcome is what a scheme came to in a window. Costs are in US dollars; where nothing
// else is said they are means over the seeds.
type Outcome struct {
	Scheme          string
	Bill            Spread
	ComputeUSD      float64
	WithoutGateway  float64 // the bill
	Paths           simulate.Paths
	Strict, Relaxed float64 // share of the bounds missed
	Rejected        float64 // share of the queries
	DefinedUSD      float64 // the bill by definition, of the first seed
	DefinedKeeps    bool
}

// Keeps is whether the scheme keeps the bounds of each class.
func (o Outcome) Keeps() bool { return o.Strict <= mostMissed && o.Relaxed <= mostMissed }

// Window is a window of a trace in a market, with what every scheme came to.
type Window struct {
	Trace, Catalogue string
	Settings         comparison.Settings
	Queries          int64
	PriceRatio       float64
	Seeds            int
	Outcomes         []Outcome
}

// Runs is how many runs Play makes of a window.
func Runs(schemes, seeds int) int { return schemes * (seeds + 1) }

// Player plays the schemes on a case, as comparison.Play does. It calls done after each
// run, from one goroutine at a time.
type Player = func(ctx context.Context, c comparison.Case, schemes []procurement.Scheme, done func(what string)) ([]comparison.Ran, error)

// Play plays a case, which is one as deployed, under successive seeds, the first of which is its own, and
// by definition under the first.
func Play(ctx context.Context, c comparison.Case, schemes []procurement.Scheme, seeds int, play Player, done func(what string)) (Window, error) {
	c.References = false
	var played [][]comparison.Ran
	for i := range seeds {
		of := c
		of.Seed += uint64(i)
		rows, err := play(ctx, of, schemes, done)
		if err != nil {
			return Window{}, fmt.Errorf("seed %d: %w", of.Seed, err)
		}
		played = append(played, rows)
	}
	c.AsDeployed = nil
	defined, err := play(ctx, c, schemes, done)
	if err != nil {
		return Window{}, fmt.Errorf("by definition: %w", err)
	}
	return summary(played, defined), nil
}

// summary brings the rows of the seeds, and those by definition, into a window.
func summary(played [][]comparison.Ran, defined []comparison.Ran) Window {
	first := played[0][0].Row
	w := Window{
		Trace: first.Trace, Catalogue: first.Catalogue, Settings: first.Settings, Queries: first.Queries, PriceRatio: first.PriceRatio, Seeds: len(played),
	}
	for i, d := range defined {
		o := Outcome{
			Scheme: d.Row.Scheme, DefinedUSD: d.Row.BillUSD,
			DefinedKeeps: d.Row.StrictViolation <= mostMissed && d.Row.RelaxedViolation <= mostMissed,
		}
		var bills []float64
		for _, rows := range played {
			o.add(rows[i].Row, float64(len(played)))
			bills = append(bills, rows[i].Row.BillUSD)
		}
		o.Bill = spread(bills)
		w.Outcomes = append(w.Outcomes, o)
	}
	return w
}

// add adds a seed's row to the means over n seeds.
func (o *Outcome) add(r comparison.Row, n float64) {
	o.ComputeUSD += r.CostUSD / n
	o.WithoutGateway += r.WithoutGatewayUSD / n
	o.Paths.Direct += r.Machinery.Direct / n
	o.Paths.Overflow += r.Machinery.Overflow / n
	o.Paths.Asynchronous += r.Machinery.Asynchronous / n
	o.Strict += r.StrictViolation / n
	o.Relaxed += r.RelaxedViolation / n
	if r.Queries > 0 {
		o.Rejected += float64(r.RejectedQueries) / float64(r.Queries) / n
	}
}

// of is a scheme's outcome; false where it was not played.
func (w Window) of(scheme string) (Outcome, bool) {
	i := slices.IndexFunc(w.Outcomes, func(o Outcome) bool { return o.Scheme == scheme })
	if i < 0 {
		return Outcome{}, false
	}
	return w.Outcomes[i], true
}

// lowest is the lowest bill of those that keep the bounds, without one scheme; false
// when none does.
func (w Window) lowest(without string) (Outcome, bool) {
	var kept []Outcome
	for _, o := range w.Outcomes {
		if o.Keeps() && o.Scheme != without {
			kept = append(kept, o)
		}
	}
	if len(kept) == 0 {
		return Outcome{}, false
	}
	return slices.MinFunc(kept, func(a, b Outcome) int { return cmp.Compare(a.Bill.Mean, b.Bill.Mean) }), true
}

// Against is a scheme's ratio to another over the windows in which both keep the bounds.
type Against struct {
	Scheme        string
	Windows       int
	Bill, Compute Spread // ratios; the mean is the geometric one
}

// against sets a scheme against each other one.
func against(ws []Window, scheme string) []Against {
	var out []Against
	for _, other := range ws[0].Outcomes {
		if other.Scheme == scheme {
			continue
		}
		var bill, compute []float64
		for _, w := range ws {
			mine, _ := w.of(scheme)
			if o, ok := w.of(other.Scheme); ok && o.Keeps() && mine.Keeps() {
				bill, compute = append(bill, mine.Bill.Mean/o.Bill.Mean), append(compute, mine.ComputeUSD/o.ComputeUSD)
			}
		}
		a := Against{Scheme: other.Scheme, Windows: len(bill)}
		if len(bill) > 0 {
			a.Bill, a.Compute = geometric(bill), geometric(compute)
		}
		out = append(out, a)
	}
	return out
}

func geometric(of []float64) Spread {
	s := spread(of)
	sum := 0.0
	for _, v := range of {
		sum += math.Log(v)
	}
	s.Mean = math.Exp(sum / float64(len(of)))
	return s
}
