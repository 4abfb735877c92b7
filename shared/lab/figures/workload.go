package figures

import (
	"fmt"
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/lab/mixes"
)

// Workload 2: queries of varied constraints, constraint-aware selection compared with
// two naive ones, priced by the VMs that have to run for them.

const (
	workloadVM   = "c5.large"
	workloadRate = 200 // queries a second, evenly
)

// ran is what a choice's queries came to.
type ran struct {
	serviceMS, accuracy float64 // means
	broken              float64 // share of queries outside a bound
	vms                 int
	hourUSD             float64
}

// Workload2 compares the choices on the twelve models, on VMs of one type at a
// constant rate.
func Workload2(in Inputs) (Figure, error) {
	vm, ok := in.Catalogue.Instance(workloadVM)
	if !ok {
		return Figure{}, fmt.Errorf("catalogue %s has no %s", in.Catalogue.Name, workloadVM)
	}
	o, err := mixes.Offer(in.Catalogue, figure1Models, workloadVM)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "workload-2", Title: "Constraint-aware and naive selection",
		Columns: []string{"mix", "choice", "mean_service_ms", "mean_top1_percent", "outside_a_bound", "vms", "hour_usd", "of_naive_feasible", "of_naive_any"},
	}
	p := Panel{Title: f.Title, X: "mix", Y: "cost of the hour ($)"}
	choices := mixes.Choices()
	for _, ch := range choices {
		p.Series = append(p.Series, Series{Name: ch.Name})
	}
	least, most := math.Inf(1), 0.0
	for i, m := range mixes.All() {
		results, err := runMix(m, o, vm)
		if err != nil {
			return f, err
		}
		for j, r := range results {
			p.Series[j].Points = append(p.Series[j].Points, Point{X: float64(i + 1), Y: r.hourUSD})
			f.Rows = append(f.Rows, []string{
				m.Name, choices[j].Name, text(r.serviceMS), text(r.accuracy), text(r.broken), fmt.Sprint(r.vms), text(r.hourUSD),
				text(r.hourUSD / results[1].hourUSD), text(r.hourUSD / results[2].hourUSD),
			})
		}
		saved := 1 - results[0].hourUSD/results[1].hourUSD
		least, most = min(least, saved), max(most, saved)
	}
	f.Panels = []Panel{p}
	f.Findings = []Finding{{
		"constraint-aware selection is up to 20 % cheaper than naive", most >= 0.2,
		fmt.Sprintf("%.0f to %.0f %% cheaper than naive_feasible, by the mix of constraints", 100*least, 100*most),
	}}
	return f, nil
}

// runMix gives every choice the same queries.
func runMix(m mixes.Mix, o selection.Offer, vm profile.Instance) ([]ran, error) {
	var out []ran
	for _, ch := range mixes.Choices() {
		var r ran
		needs := m.Needs()
		for _, n := range needs {
			xs, err := ch.Outcomes(n, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Name, err)
			}
			share := 1 / float64(len(needs)*len(xs))
			for _, x := range xs {
				r.serviceMS += share * x.Service.P50
				r.accuracy += share * x.Accuracy
				if mixes.Breaks(n, x) {
					r.broken += share
				}
			}
		}
		r.vms = int(math.Ceil(workloadRate * r.serviceMS / 1000 / float64(vm.VCPUs)))
		r.hourUSD = float64(r.vms) * vm.USDPerHour
		out = append(out, r)
	}
	return out, nil
}
