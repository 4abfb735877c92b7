package interior_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/simulate/interior"
)

// A rucksack with parts of things, of which the answer is known: the cheapest first.
func TestTheCheapestColumnsFillARow(t *testing.T) {
	p := interior.Problem{Right: []float64{5}, Columns: []interior.Column{
		{Cost: 3, Most: 4, Entries: []interior.Entry{{Row: 0, Value: 1}}},
		{Cost: 1, Most: 2, Entries: []interior.Entry{{Row: 0, Value: 1}}},
		{Cost: 10, Most: 9, Entries: []interior.Entry{{Row: 0, Value: 2}}},
	}}
	s := interior.Solve(p)
	if want := 1.0*2 + 3*3; math.Abs(s.Cost-want) > 1e-4 || math.Abs(s.Least-want) > 1e-4 {
		t.Errorf("costs %v, at least %v, want %v", s.Cost, s.Least, want)
	}
}

// Of random programs with a choice that exists, the values keep rows and bounds,
// no choice that is tried is below the least, and the cost found is it.
func TestRandomProgrammes(t *testing.T) {
	sixteenths := rapid.Map(rapid.IntRange(-32, 32), func(n int) float64 { return float64(n) / 16 })
	rapid.Check(t, func(rt *rapid.T) {
		p, tried := programme(rt, sixteenths)
		s := interior.Solve(p)
		bounded(rt, p, s, tried)
		if s.Cost-s.Least > 1e-3*(1+math.Abs(s.Least)) {
			rt.Fatalf("found %v, and at least %v, in %d iterations", s.Cost, s.Least, s.Iterations)
		}
	})
}

// Whatever the coefficients are, so small that rows follow from each other but for
// rounding, the least is one.
func TestTheLeastIsOneOfAnyProgramme(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, tried := programme(rt, rapid.Float64Range(-2, 2))
		bounded(rt, p, interior.Solve(p), tried)
	})
}

// programme draws one, and what a choice costs that exists.
func programme(rt *rapid.T, coefficient *rapid.Generator[float64]) (p interior.Problem, tried float64) {
	rows := rapid.IntRange(1, 12).Draw(rt, "rows")
	p = interior.Problem{Right: make([]float64, rows), Band: 2}
	for range rapid.IntRange(rows, 5*rows).Draw(rt, "columns") {
		c := interior.Column{Cost: rapid.Float64Range(-2, 5).Draw(rt, "cost"), Most: rapid.Float64Range(0.5, 8).Draw(rt, "most")}
		first := rapid.IntRange(0, rows-1).Draw(rt, "row")
		for i := first; i < min(rows, first+3); i++ {
			c.Entries = append(c.Entries, interior.Entry{Row: i, Value: coefficient.Draw(rt, "value")})
		}
		x := rapid.Float64Range(0.1, 0.9).Draw(rt, "share") * c.Most
		for _, e := range c.Entries {
			p.Right[e.Row] += e.Value * x
		}
		tried += c.Cost * x
		p.Columns = append(p.Columns, c)
	}
	return p, tried
}

// bounded holds a solution to its bounds, and a choice to the least.
func bounded(rt *rapid.T, p interior.Problem, s interior.Solution, tried float64) {
	if tried < s.Least-1e-9*math.Abs(s.Least)-1e-12 {
		rt.Fatalf("a choice costs %v, below the least %v", tried, s.Least)
	}
	for i, v := range s.Values {
		if v < 0 || v > p.Columns[i].Most {
			rt.Fatalf("value %v of column %d is not within 0 and %v", v, i, p.Columns[i].Most)
		}
	}
}
