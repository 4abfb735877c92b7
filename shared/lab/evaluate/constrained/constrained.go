// Package constrained plays workload 2 under procurement: queries of varied
// constraints, answered by the models that selection or a naive choice picks,
// with workers and functions bought for them by a scheme. It says what each
// choice costs and which bounds of latency and accuracy it breaks.
package constrained

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/lab/mixes"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Row is what a choice came to for a mix of constraints under a scheme.
type Row struct {
	Mix    string `json:"mix"`
	Choice string `json:"choice"`
	comparison.Row
	// AccuracyViolation is the share of queries whose model is less accurate
	// than they asked for; SLOViolation of the row is the share that was late.
	AccuracyViolation float64 `json:"accuracy_violation_ratio"`
	MeanServiceMS     float64 `json:"mean_service_ms"` // on one runner
	MeanAccuracy      float64 `json:"mean_accuracy"`   // percent
	// The cost compared with those of the naive choices, for the same mix and scheme.
	OfNaiveFeasible float64 `json:"of_naive_feasible"`
	OfNaiveAny      float64 `json:"of_naive_any"`
}

// Play plays every mix with every choice under the schemes of a case, whose
// share of strict queries and bounds give way to those of the mix. A query with
// a latency bound has it besides the way there; one without has the case's
// relaxed bound. done is called after each run, from one goroutine at a time.
func Play(ctx context.Context, c comparison.Case, schemes []procurement.Scheme, done func(what string)) ([]Row, error) {
	var out []Row
	for _, m := range mixes.All() {
		first := len(out)
		for _, choice := range mixes.Choices() {
			d, err := demand(c, m, choice)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.Name, m.Name, err)
			}
			of := c
			of.Asks, of.StrictShare = d.asks, d.strictShare
			rows, err := comparison.Play(ctx, of, schemes, done)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", m.Name, choice.Name, err)
			}
			comparison.Relate(rows)
			for _, r := range rows {
				out = append(out, d.row(m, choice, r))
			}
		}
		relate(out[first:])
	}
	return out, nil
}

// Runs is how many runs Play makes of a case with the given number of schemes.
func Runs(c comparison.Case, schemes int) int {
	if c.References && c.Layout == simulate.Shared {
		schemes += 2
	}
	return len(mixes.All()) * len(mixes.Choices()) * schemes
}

// asked is what the queries of a mix ask for, and what a choice gives them.
type asked struct {
	asks                             []simulate.Ask
	strictShare, serviceMS, accuracy float64 // means
}

func demand(c comparison.Case, m mixes.Mix, choice mixes.Choice) (asked, error) {
	o, err := mixes.Offer(c.Market.Catalogue, c.Market.Models, c.Market.InstanceType)
	if err != nil {
		return asked{}, err
	}
	place := map[string]int{}
	for i, name := range c.Market.Models {
		place[name] = i
	}
	var d asked
	needs, strict := m.Needs(), 0
	for _, n := range needs {
		xs, err := choice.Outcomes(n, o)
		if err != nil {
			return asked{}, err
		}
		ask := bound(n, c.Settings, c.RelaxMS)
		if ask.Strict {
			strict++
		}
		for _, x := range xs {
			ask.Served = append(ask.Served, simulate.Served{Model: place[x.Model], Inaccurate: x.Accuracy < n.Constraints.Accuracy})
			d.serviceMS += x.Service.P50 / float64(len(needs)*len(xs))
			d.accuracy += x.Accuracy / float64(len(needs)*len(xs))
		}
		d.asks = append(d.asks, ask)
	}
	d.strictShare = float64(strict) / float64(len(needs))
	return d, nil
}

// bound is the class and the latency bound of a need.
func bound(n query.Need, set settings.Settings, relaxedMS float64) simulate.Ask {
	if n.Constraints.LatencyMS == 0 {
		return simulate.Ask{BoundMS: relaxedMS}
	}
	n.Constraints.LatencyMS += set.PathMS
	return simulate.Ask{Strict: n.ClassOf(set.StrictBelowMS) == query.Strict, BoundMS: n.Constraints.LatencyMS}
}

func (d asked) row(m mixes.Mix, choice mixes.Choice, r comparison.Ran) Row {
	out := Row{Mix: m.Name, Choice: choice.Name, Row: r.Row, MeanServiceMS: d.serviceMS, MeanAccuracy: d.accuracy}
	if n := r.Result.Arrived(); n > 0 {
		out.AccuracyViolation = float64(r.Result.Strict.Inaccurate+r.Result.Relaxed.Inaccurate) / float64(n)
	}
	return out
}

// relate sets each row's cost relative to the naive ones of its scheme.
func relate(rows []Row) {
	costs := map[string]float64{}
	for _, r := range rows {
		costs[r.Choice+" "+r.Scheme] = r.CostUSD
	}
	for i := range rows {
		r := &rows[i]
		if usd := costs[mixes.NaiveFeasible+" "+r.Scheme]; usd > 0 {
			r.OfNaiveFeasible = r.CostUSD / usd
		}
		if usd := costs[mixes.NaiveAny+" "+r.Scheme]; usd > 0 {
			r.OfNaiveAny = r.CostUSD / usd
		}
	}
}
