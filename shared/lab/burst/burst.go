// Package burst measures what answering with another model before overflow comes to:
// queries that want the most accurate answer of at least some accuracy, in bursts,
// with the setting downgrade on and off, simulated and on a stage.
package burst

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/lab/mixes"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Row is what a load came to with downgrade on or off. Shares are of all queries.
type Row struct {
	Load      string  `json:"load"`
	Scheme    string  `json:"scheme"`
	Downgrade string  `json:"downgrade"`
	Queries   int64   `json:"queries"`
	LateRatio float64 `json:"slo_violation_ratio"`
	CostUSD   float64 `json:"cost_usd"` // of workers and functions
	Overflow  float64 `json:"overflow_ratio"`
	Other     float64 `json:"downgraded_ratio"`
	Accuracy  float64 `json:"mean_accuracy"` // percent, of the models that answered
}

// What is simulated: an hour of each load, and what its queries ask for.
const (
	length    = time.Hour
	latencyMS = 500
	accuracy  = 76.0
	seeds     = 5
)

// Schemes are those that are simulated.
var Schemes = []string{"mixed", "paragon", "hedged"}

// shapes are the loads.
func shapes() []arrivals.Shape {
	return []arrivals.Shape{
		{Kind: "flash_crowd", Rate: 50, Peak: 300, Period: 5 * time.Minute, At: 30 * time.Minute},
		{Kind: "mmpp", Rate: 50, Peak: 150, Period: 5 * time.Minute},
		{Kind: "constant", Rate: 100},
	}
}

// Runs is how many runs Simulate makes.
func Runs() int { return len(shapes()) * len(Schemes) * 2 * seeds }

// Simulate plays the loads on a market as a stage runs them. Figures are means over
// the seeds.
func Simulate(ctx context.Context, m simulate.Market, done func(string)) ([]Row, error) {
	ask, err := asked(m)
	if err != nil {
		return nil, err
	}
	var out []Row
	for _, shape := range shapes() {
		for _, name := range Schemes {
			for _, downgrade := range []string{"off", settings.On} {
				sum := Row{Load: shape.Kind, Scheme: name, Downgrade: downgrade}
				for seed := range uint64(seeds) {
					r, err := play(ctx, m, shape, name, downgrade, ask, seed+1, done)
					if err != nil {
						return nil, err
					}
					sum.add(r, 1.0/seeds)
				}
				out = append(out, sum)
			}
		}
	}
	return out, nil
}

func play(ctx context.Context, m simulate.Market, shape arrivals.Shape, scheme, downgrade string, ask simulate.Ask, seed uint64, done func(string)) (comparison.Ran, error) {
	trace, err := arrivals.Generate(shape, length, rand.New(rand.NewPCG(seed, 21)))
	if err != nil {
		return comparison.Ran{}, err
	}
	s, err := procurement.Get(scheme)
	if err != nil {
		return comparison.Ran{}, err
	}
	c := comparison.New(shape.Kind, trace, m)
	c.Asks, c.References, c.Seed = []simulate.Ask{ask}, false, seed
	c.Settings.Downgrade = downgrade
	c.Settings.MaxOverflowConcurrency, c.Settings.MaxWorkers, c.Settings.MaxStep = 1000, 2000, 2000
	c.AsDeployed = &simulate.AsDeployed{}
	rows, err := comparison.Play(ctx, c, []procurement.Scheme{s}, done)
	if err != nil {
		return comparison.Ran{}, fmt.Errorf("%s: %w", shape.Kind, err)
	}
	return rows[0], nil
}

func (r *Row) add(ran comparison.Ran, share float64) {
	n := ran.Result.Arrived()
	r.Queries += n
	r.LateRatio += share * ran.Row.SLOViolation
	r.CostUSD += share * ran.Row.CostUSD
	r.Overflow += share * ran.Row.OverflowRatio
	r.Other += share * float64(ran.Result.Strict.Downgraded) / float64(max(1, n))
	r.Accuracy += share * ran.Result.MeanAccuracy()
}

// asked is what each query asks for, with the model that selection picks on an idle
// pool, and what it may choose from instead.
func asked(m simulate.Market) (simulate.Ask, error) {
	o, err := mixes.Offer(m.Catalogue, m.Models, m.InstanceType)
	if err != nil {
		return simulate.Ask{}, err
	}
	pathMS := settings.Defaults().PathMS
	o.PathMS = pathMS
	n := query.Need{Task: mixes.Task, Class: query.Strict, Optimize: query.Accuracy,
		Constraints: query.Constraints{LatencyMS: latencyMS, Accuracy: accuracy}}
	chosen, _, err := selection.Pick(n, o)
	if err != nil {
		return simulate.Ask{}, err
	}
	o.Planned = false
	a := simulate.Ask{Strict: true, BoundMS: latencyMS, Choice: &simulate.Choice{Need: n, Offer: o}}
	for i, name := range m.Models {
		if name == chosen.Model {
			a.Served = []simulate.Served{{Model: i}}
		}
	}
	return a, nil
}
