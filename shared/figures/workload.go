package figures

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
)

// Workload 2: queries of varied constraints, constraint-aware selection beside
// two naive ones, priced by the VMs that have to run for them.

const (
	workloadVM      = "c5.large"
	workloadQueries = 4000
	workloadRate    = 200 // queries a second, evenly
)

// mix is a way in which callers constrain.
type mix struct {
	name     string
	latency  []float64 // bounds in ms, drawn evenly; 0 is none
	accuracy []float64 // likewise in percent
}

var mixes = []mix{
	{name: "latency alone", latency: []float64{100, 150, 200, 300, 500}, accuracy: []float64{0}},
	{name: "accuracy alone", latency: []float64{0}, accuracy: []float64{70, 72, 74, 76, 78, 80}},
	{name: "both, loose", latency: []float64{300, 500, 1000}, accuracy: []float64{70, 72, 74}},
	{name: "both, tight", latency: []float64{160, 200, 320}, accuracy: []float64{76, 77, 78, 80}},
	{name: "both, at the edge", latency: []float64{75, 120, 155, 320}, accuracy: nil}, // see need
}

// edge are the accuracies that just one or two models keep within those latencies.
var edge = map[float64]float64{75: 77, 120: 78.5, 155: 80, 320: 82}

func (m mix) need(r *rand.Rand) query.Need {
	n := query.Need{Task: "imagenet", Optimize: query.Cost}
	n.Constraints.LatencyMS = m.latency[r.IntN(len(m.latency))]
	if m.accuracy == nil {
		n.Constraints.Accuracy = edge[n.Constraints.LatencyMS]
		return n
	}
	n.Constraints.Accuracy = m.accuracy[r.IntN(len(m.accuracy))]
	return n
}

// chooser is one way to choose a model.
type chooser struct {
	name   string
	choose func(query.Need, selection.Offer, *rand.Rand) (selection.Candidate, query.Class, error)
}

var choosers = []chooser{
	{"selection", func(n query.Need, o selection.Offer, _ *rand.Rand) (selection.Candidate, query.Class, error) {
		return selection.Pick(n, o)
	}},
	{"naive_feasible", func(n query.Need, o selection.Offer, r *rand.Rand) (selection.Candidate, query.Class, error) {
		return selection.NaiveFeasible(n, o, r.IntN)
	}},
	{"naive_any", func(n query.Need, o selection.Offer, r *rand.Rand) (selection.Candidate, query.Class, error) {
		return selection.NaiveAny(n, o, r.IntN)
	}},
}

// ran is what a chooser's queries came to.
type ran struct {
	serviceMS, accuracy float64 // means
	broken              float64 // share of queries outside a bound
	vms                 int
	hourUSD             float64
}

// Workload2 compares the choosers on the twelve models, on VMs of one type at
// a constant rate. The same seed gives the same figures.
func Workload2(in Inputs, seed uint64) (Figure, error) {
	c, err := twelve(in.Catalogue)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "workload-2", Title: "Constraint-aware selection beside naive",
		Columns: []string{"mix", "choice", "mean_service_ms", "mean_top1_percent", "outside_a_bound", "vms", "hour_usd", "of_naive_feasible", "of_naive_any"},
	}
	p := Panel{Title: f.Title, X: "mix", Y: "cost of the hour ($)"}
	for _, ch := range choosers {
		p.Series = append(p.Series, Series{Name: ch.name})
	}
	least, most := math.Inf(1), 0.0
	for i, m := range mixes {
		results, err := m.run(c, seed)
		if err != nil {
			return f, err
		}
		for j, r := range results {
			p.Series[j].Points = append(p.Series[j].Points, Point{X: float64(i + 1), Y: r.hourUSD})
			f.Rows = append(f.Rows, []string{
				m.name, choosers[j].name, text(r.serviceMS), text(r.accuracy), text(r.broken), fmt.Sprint(r.vms), text(r.hourUSD),
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

// twelve is the catalogue with the paper's twelve models alone.
func twelve(c *profile.Catalogue) (*profile.Catalogue, error) {
	ms, err := models(c, figure1Models)
	if err != nil {
		return nil, err
	}
	out := *c
	out.Models = nil
	for _, m := range ms {
		out.Models = append(out.Models, *m)
	}
	return &out, nil
}

// run gives every chooser the same queries.
func (m mix) run(c *profile.Catalogue, seed uint64) ([]ran, error) {
	vm, ok := c.Instance(workloadVM)
	if !ok {
		return nil, fmt.Errorf("catalogue %s has no %s", c.Name, workloadVM)
	}
	o := selection.Offer{Catalogue: c, Table: selection.NewTable(c, "", workloadVM), InstanceType: workloadVM, Planned: true}
	out := make([]ran, len(choosers))
	for j, ch := range choosers {
		needs, draws := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
		r := &out[j]
		for range workloadQueries {
			n := m.need(needs)
			x, _, err := ch.choose(n, o, draws)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("workload 2, %s, %s: %+v", m.name, ch.name, n.Constraints), err)
			}
			r.see(n.Constraints, x)
		}
		r.serviceMS /= workloadQueries
		r.accuracy /= workloadQueries
		r.broken /= workloadQueries
		r.vms = int(math.Ceil(workloadRate * r.serviceMS / 1000 / float64(vm.VCPUs)))
		r.hourUSD = float64(r.vms) * vm.USDPerHour
	}
	return out, nil
}

func (r *ran) see(asked query.Constraints, x selection.Candidate) {
	r.serviceMS += x.Service.P50
	r.accuracy += x.Accuracy
	if asked.LatencyMS > 0 && x.LatencyMS > asked.LatencyMS || x.Accuracy < asked.Accuracy {
		r.broken++
	}
}
