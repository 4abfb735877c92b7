// Package mixes is workload 2: the ways in which callers constrain their
// queries, and the ways in which a model is chosen for them, selection's own
// and two naive ones. What is chosen by chance is listed with every outcome, so
// that nothing here draws.
package mixes

import (
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Task is the task whose models the mixes choose from.
const Task = "imagenet"

// Mix is a way in which callers constrain: each of its bounds as often.
type Mix struct {
	Name   string
	bounds []query.Constraints
}

// All are the mixes. Latency bounds are of the service itself, without the way
// there; accuracies are in percent. At the edge one or two of the paper's
// twelve models keep the bounds.
func All() []Mix {
	return []Mix{
		{"latency alone", product([]float64{100, 150, 200, 300, 500}, []float64{0})},
		{"accuracy alone", product([]float64{0}, []float64{70, 72, 74, 76, 78, 80})},
		{"both, loose", product([]float64{300, 500, 1000}, []float64{70, 72, 74})},
		{"both, tight", product([]float64{160, 200, 320}, []float64{76, 77, 78, 80})},
		{"both, at the edge", []query.Constraints{
			{LatencyMS: 75, Accuracy: 77}, {LatencyMS: 120, Accuracy: 78.5}, {LatencyMS: 155, Accuracy: 80}, {LatencyMS: 320, Accuracy: 82},
		}},
	}
}

func product(latencies, accuracies []float64) []query.Constraints {
	var out []query.Constraints
	for _, l := range latencies {
		for _, a := range accuracies {
			out = append(out, query.Constraints{LatencyMS: l, Accuracy: a})
		}
	}
	return out
}

// Needs are what the queries of the mix ask for, each as often, the cost to be
// least.
func (m Mix) Needs() []query.Need {
	out := make([]query.Need, len(m.bounds))
	for i, b := range m.bounds {
		out[i] = query.Need{Task: Task, Optimize: query.Cost, Constraints: b}
	}
	return out
}

// Choice is a way to choose a model.
type Choice struct {
	Name   string
	choose func(query.Need, selection.Offer, selection.Draw) (selection.Candidate, query.Class, error)
}

// The ways to choose.
const (
	Selection     = "selection"
	NaiveFeasible = "naive_feasible"
	NaiveAny      = "naive_any"
)

// Choices are selection and the two naive ways: uniform over what meets the
// bounds, and uniform over the pool.
func Choices() []Choice {
	return []Choice{
		{Selection, func(n query.Need, o selection.Offer, _ selection.Draw) (selection.Candidate, query.Class, error) {
			return selection.Pick(n, o)
		}},
		{NaiveFeasible, selection.NaiveFeasible},
		{NaiveAny, selection.NaiveAny},
	}
}

// Outcomes are what may be chosen for a need, each as likely.
func (c Choice) Outcomes(n query.Need, o selection.Offer) ([]selection.Candidate, error) {
	var out []selection.Candidate
	for i, of := 0, 1; i < of; i++ {
		x, _, err := c.choose(n, o, func(k int) int {
			of = k
			return i
		})
		if err != nil {
			return nil, fmt.Errorf("workload 2, %s for %+v: %w", c.Name, n.Constraints, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// Offer is what the choice is made from: models of a catalogue on workers of a
// type, none of them busy.
func Offer(c *profile.Catalogue, models []string, instanceType string) (selection.Offer, error) {
	few := *c
	few.Models = nil
	for _, name := range models {
		m, ok := c.Model(name)
		if !ok {
			return selection.Offer{}, fmt.Errorf("catalogue %s has no model %q", c.Name, name)
		}
		few.Models = append(few.Models, *m)
	}
	return selection.Offer{
		Catalogue: &few, Table: selection.NewTable(&few, "", instanceType), InstanceType: instanceType, Planned: true,
	}, nil
}

// Breaks reports whether a candidate is outside a bound of a need.
func Breaks(n query.Need, x selection.Candidate) bool {
	return n.Constraints.LatencyMS > 0 && x.LatencyMS > n.Constraints.LatencyMS || x.Accuracy < n.Constraints.Accuracy
}
