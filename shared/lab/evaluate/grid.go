package evaluate

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Reactive is a reading of the reactive rule, which exascale, mixed and paragon
// share: within which time it works a backlog off, and after which idle time a
// worker closes.
type Reactive struct {
	BacklogSeconds float64 `json:"backlog_seconds"`
	IdleSeconds    float64 `json:"idle_seconds"`
}

func (r Reactive) String() string {
	return fmt.Sprintf("backlog cleared in %.0f s, idle workers closed after %.0f s", r.BacklogSeconds, r.IdleSeconds)
}

// Rules is what a run of the grid depends on.
type Rules struct {
	Delay    time.Duration `json:"metric_delay_ns"`
	Reactive Reactive      `json:"reactive"`
	// Eager overflows what no runner is free for, the paper's reading; else what
	// no worker can start within its bound.
	Eager bool `json:"eager"`
}

// The dimensions of the grid. The first reactive rule is the evaluation's; the
// last is as near to the rate alone, without a memory, as the settings go.
var (
	priceRatios = []float64{2.5, 5, 7}
	delays      = []time.Duration{0, time.Minute, 2 * time.Minute}
	slotRules   = []bool{false, true}
	headrooms   = []float64{1.1, 1.2, 1.3, 1.4, 1.5} // of exascale: the paper gives no number
)

func reactives() []Reactive {
	d := settings.Defaults()
	return []Reactive{{d.BacklogSeconds, d.IdleSeconds}, {60, d.IdleSeconds}, {d.BacklogSeconds, 60}, {d.BacklogSeconds, 30}, {d.BacklogSeconds, 10}, {600, 0}}
}

// Cell is one setting of the grid with what was found there.
type Cell struct {
	Rules
	PriceRatio float64   `json:"price_ratio"`
	Findings   []Finding `json:"findings"`
}

// Grid is every setting on one trace.
type Grid struct {
	Trace string `json:"trace"`
	Load  Load   `json:"load"`
	Cells []Cell `json:"cells"`
	// Used has what explains them: each scheme under each reactive rule.
	Used []Used `json:"used"`
	// Headrooms is exascale's finding under each reactive rule by its headroom,
	// with metrics a minute old.
	Headrooms []Headroom `json:"headrooms"`
}

// Headroom is what exascale's finding comes to with a headroom.
type Headroom struct {
	Reactive Reactive `json:"reactive"`
	Headroom float64  `json:"headroom"`
	Finding  Finding  `json:"finding"`
}

// Used is how much a scheme uses of the workers that it holds, with metrics a
// minute old and overflow at the bound.
type Used struct {
	Scheme   string   `json:"scheme"`
	Reactive Reactive `json:"reactive"`
	Share    float64  `json:"share"`  // of runner time
	Missed   float64  `json:"missed"` // share of all bounds
}

// gridRun is a scheme under rules, without those that it does not depend on.
type gridRun struct {
	scheme   string
	rules    Rules
	headroom float64
}

// gridSchemes are those that the findings are about.
var gridSchemes = []string{"reactive", "util_aware", "exascale", "mixed", "paragon"}

// runOf is the run that shows what a scheme does under rules. A scheme without
// overflow knows no slot rule, and util_aware no reactive rule either.
func runOf(scheme string, r Rules) gridRun {
	switch scheme {
	case "util_aware":
		r.Eager, r.Reactive = false, reactives()[0]
	case "reactive", "exascale":
		r.Eager = false
	}
	return gridRun{scheme, r, settings.Defaults().Headroom}
}

func allRules() []Rules {
	var out []Rules
	for _, reactive := range reactives() {
		for _, eager := range slotRules {
			for _, delay := range delays {
				out = append(out, Rules{delay, reactive, eager})
			}
		}
	}
	return out
}

// GridRuns is how many runs a grid takes on one trace.
func GridRuns() int { return len(gridRuns()) }

func gridRuns() []gridRun {
	var out []gridRun
	seen := map[gridRun]bool{}
	add := func(run gridRun) {
		if !seen[run] {
			seen[run] = true
			out = append(out, run)
		}
	}
	for _, rules := range allRules() {
		for _, scheme := range gridSchemes {
			add(runOf(scheme, rules))
		}
	}
	for _, reactive := range reactives() {
		for _, h := range headrooms {
			add(withHeadroom(reactive, h))
		}
	}
	return out
}

// withHeadroom is exascale with a headroom, metrics a minute old.
func withHeadroom(r Reactive, headroom float64) gridRun {
	return gridRun{"exascale", Rules{time.Minute, r, false}, headroom}
}

// PlayGrid plays the paper's schemes on a case under every combination of price
// ratio, metric delay, reactive rule and slot rule. These schemes decide
// without prices, so that one run is priced at every ratio. done is called
// after each run; it may be nil.
func PlayGrid(ctx context.Context, c comparison.Case, done func(what string)) (Grid, error) {
	window, err := c.Trace.Window(c.From, c.For)
	if err != nil {
		return Grid{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	runs := gridRuns()
	rows := make([]comparison.Row, len(runs))
	jobs, say := make([]func() error, len(runs)), comparison.OneAtATime(done)
	for i, run := range runs {
		jobs[i] = func() (err error) {
			rows[i], err = playRun(ctx, c, run)
			say(c.Name + " " + run.scheme)
			return err
		}
	}
	if err := comparison.RunJobs(ctx, jobs); err != nil {
		return Grid{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	of := map[gridRun]comparison.Row{}
	for i, run := range runs {
		of[run] = rows[i]
	}
	g := Grid{Trace: c.Name, Load: loadOf(window)}
	g.fill(of)
	g.fillHeadrooms(of)
	g.Used, err = used(c, of)
	return g, err
}

func playRun(ctx context.Context, c comparison.Case, run gridRun) (comparison.Row, error) {
	s, err := procurement.Get(run.scheme)
	if err != nil {
		return comparison.Row{}, err
	}
	c.References = false
	c.MetricDelay, c.Eager = run.rules.Delay, run.rules.Eager
	c.Settings.BacklogSeconds, c.Settings.IdleSeconds = run.rules.Reactive.BacklogSeconds, run.rules.Reactive.IdleSeconds
	c.Settings.Headroom = run.headroom
	rows, err := comparison.Play(ctx, c, []procurement.Scheme{s}, nil)
	if err != nil {
		return comparison.Row{}, err
	}
	return rows[0].Row, nil
}

// fill measures the findings in every setting.
func (g *Grid) fill(of map[gridRun]comparison.Row) {
	for _, rules := range allRules() {
		for _, price := range priceRatios {
			rows := map[string]comparison.Row{}
			for _, scheme := range gridSchemes {
				rows[scheme] = priced(of[runOf(scheme, rules)], price)
			}
			found := append(findings(rows), saves(rows["mixed"], rows["reactive"], g.Load.PeakToMedian > settings.Defaults().PeakToMedian))
			g.Cells = append(g.Cells, Cell{rules, price, found})
		}
	}
}

// fillHeadrooms measures exascale's finding by its headroom.
func (g *Grid) fillHeadrooms(of map[gridRun]comparison.Row) {
	for _, r := range reactives() {
		base := of[runOf("reactive", Rules{time.Minute, r, false})]
		for _, h := range headrooms {
			g.Headrooms = append(g.Headrooms, Headroom{r, h, moreVMs("exascale", of[withHeadroom(r, h)], base)})
		}
	}
}

// priced is a row as it would be if a function's query cost priceRatio times a
// worker's.
func priced(r comparison.Row, priceRatio float64) comparison.Row {
	r.LambdaUSD *= comparison.Ratio(priceRatio, r.PriceRatio)
	r.CostUSD = r.VMUSD + r.LambdaUSD
	r.PriceRatio = priceRatio
	return r
}

// used is how much the schemes use of their workers under each reactive rule.
func used(c comparison.Case, of map[gridRun]comparison.Row) ([]Used, error) {
	pools, err := c.Market.Pools(simulate.Shared, c.StrictMS)
	if err != nil {
		return nil, err
	}
	busyMS := 0.0
	for _, m := range pools[0].Models {
		busyMS += m.ServiceMS / float64(len(pools[0].Models))
	}
	var out []Used
	for _, reactive := range reactives() {
		for _, scheme := range gridSchemes {
			r := of[runOf(scheme, Rules{time.Minute, reactive, false})]
			busy := float64(r.Queries) * (1 - r.OverflowRatio) * busyMS / 1000
			out = append(out, Used{scheme, reactive, comparison.Ratio(busy, r.VMHours*3600*float64(pools[0].Runners)), r.SLOViolation})
		}
	}
	return out, nil
}
