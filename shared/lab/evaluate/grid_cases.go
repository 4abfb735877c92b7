package evaluate

import (
	"time"

	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// The window of each trace that the grid plays, as the tables by the hour do.
const (
	GridFrom = time.Hour
	GridFor  = time.Hour
)

// GridCases are the made-up traces of the grid, whose page is made again by a
// test wherever the tests run.
func GridCases(m simulate.Market) ([]comparison.Case, error) {
	var out []comparison.Case
	for _, name := range Lookalikes() {
		t, err := Lookalike(name, GridFrom+GridFor, 1)
		if err != nil {
			return nil, err
		}
		c := comparison.New(name, t, m)
		c.Scaling, c.From, c.For = "made up", GridFrom, GridFor
		out = append(out, c)
	}
	return out, nil
}

// InsideAStep moves the window of a trace whose steps are longer than what is
// played, with the warm-up before it, inside one step: where two of them meet is
// a jump that the load itself did not have.
func InsideAStep(c comparison.Case) comparison.Case {
	step := c.Trace.Step
	if step < c.For {
		return c
	}
	c.From = c.From.Truncate(step) + min(c.Warmup, step/2)
	c.For = min(c.For, c.From.Truncate(step)+step-c.From)
	return c
}
