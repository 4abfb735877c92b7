// Package interior solves linear programs whose rows are ordered in time: each
// column has entries in rows that are close to each other. It is an interior-point
// method (Mehrotra's predictor and corrector), whose systems are banded then, so that
// an iteration takes time in proportion to the columns.
package interior

import "math"

// Entry is a column's coefficient in a row.
type Entry struct {
	Row   int
	Value float64
}

// Column is a variable between 0 and Most. Most is above 0 and finite.
type Column struct {
	Cost, Most float64
	Entries    []Entry
}

// Problem is to choose each column's value at the least cost, such that in each row the
// coefficients times the values sum up to Right. Any two rows of a column are at most Band
// apart. Where coefficients are so different in size that rows follow from each other but
// for rounding, the cost found may be above the least.
type Problem struct {
	Columns []Column
	Right   []float64
	Band    int
}

// Solution is the least cost, as far as it was found.
type Solution struct {
	Values []float64 // by column
	// Least is a cost that no choice is below, by weak duality: whatever rounding did to
	// the prices of the rows, it is one.
	Least      float64
	Cost       float64 // of Values
	Iterations int
}

// What ends the search: the cost found is above the least by closeEnough of it, with rows that
// are off by no more than that of the largest one, or mostIterations were made.
const (
	closeEnough    = 1e-6
	mostIterations = 80
	// stepBack keeps a step off the boundary, as is usual.
	stepBack = 0.9995
)

// Solve finds the least cost.
func Solve(p Problem) Solution {
	s := start(p)
	best := Solution{Least: math.Inf(-1)}
	scale := 1.0
	for _, b := range p.Right {
		scale = max(scale, math.Abs(b))
	}
	for best.Iterations = range mostIterations {
		off := s.residuals()
		best.Cost, best.Least = s.cost(), max(best.Least, s.least())
		if off < closeEnough*scale && best.Cost-best.Least < closeEnough*max(1, math.Abs(best.Least)) {
			break
		}
		s.step()
	}
	for j, x := range s.x {
		s.x[j] = min(x, p.Columns[j].Most) // of which rounding may make a little more
	}
	best.Values = s.x
	return best
}

// state is a point inside the bounds, with the prices of rows and bounds.
type state struct {
	p       Problem
	x, room []float64 // values, and how far they are from Most
	y       []float64 // prices of rows
	z, v    []float64 // prices of the bounds at 0 and at Most
	rp, rd  []float64 // what rows and columns are off by
	dx, dy  []float64
	dz, dv  []float64
	xz, rv  []float64 // what complementarity is off by
	theta   []float64
	band    []float64 // the normal matrix, by row its Band entries before the diagonal, and that
}

func start(p Problem) *state {
	n, m := len(p.Columns), len(p.Right)
	s := &state{
		p: p, x: make([]float64, n), room: make([]float64, n), y: make([]float64, m), z: make([]float64, n), v: make([]float64, n),
		rp: make([]float64, m), rd: make([]float64, n), dx: make([]float64, n), dy: make([]float64, m), dz: make([]float64, n), dv: make([]float64, n),
		xz: make([]float64, n), rv: make([]float64, n), theta: make([]float64, n), band: make([]float64, m*(p.Band+1)),
	}
	for j := range p.Columns {
		c := &p.Columns[j]
		s.x[j], s.room[j] = c.Most/2, c.Most/2
		s.z[j], s.v[j] = 1+max(0, c.Cost), 1+max(0, -c.Cost)
	}
	return s
}

// residuals finds what rows and columns are off by, and returns the most of a row.
func (s *state) residuals() float64 {
	copy(s.rp, s.p.Right)
	for j := range s.p.Columns {
		c := &s.p.Columns[j]
		s.rd[j] = c.Cost - s.z[j] + s.v[j]
		for _, e := range c.Entries {
			s.rp[e.Row] -= e.Value * s.x[j]
			s.rd[j] -= e.Value * s.y[e.Row]
		}
	}
	most := 0.0
	for _, r := range s.rp {
		most = max(most, math.Abs(r))
	}
	return most
}

func (s *state) cost() float64 {
	sum := 0.0
	for j := range s.p.Columns {
		sum += s.p.Columns[j].Cost * s.x[j]
	}
	return sum
}

// least is what no choice is below, whatever the prices of the rows: with them paid for the
// right sides, each column is worth at most what it saves at its bound.
func (s *state) least() float64 {
	sum := 0.0
	for i, b := range s.p.Right {
		sum += b * s.y[i]
	}
	for j := range s.p.Columns {
		c := &s.p.Columns[j]
		reduced := c.Cost
		for _, e := range c.Entries {
			reduced -= e.Value * s.y[e.Row]
		}
		sum += min(0, reduced) * c.Most
	}
	return sum
}

// step moves towards the least cost: a predictor says how far complementarity can fall at
// once, and the corrector aims there.
func (s *state) step() {
	for j := range s.x {
		s.xz[j], s.rv[j] = -s.x[j]*s.z[j], -s.room[j]*s.v[j]
		s.theta[j] = 1 / (s.z[j]/s.x[j] + s.v[j]/s.room[j])
	}
	s.factor()
	s.direction()
	before, after := 0.0, 0.0
	primal, dual := s.longest()
	for j := range s.x {
		before += s.x[j]*s.z[j] + s.room[j]*s.v[j]
		after += (s.x[j]+primal*s.dx[j])*(s.z[j]+dual*s.dz[j]) + (s.room[j]-primal*s.dx[j])*(s.v[j]+dual*s.dv[j])
	}
	aim := math.Pow(after/before, 3) * before / float64(2*len(s.x))
	for j := range s.x {
		s.xz[j] = aim - s.x[j]*s.z[j] - s.dx[j]*s.dz[j]
		s.rv[j] = aim - s.room[j]*s.v[j] + s.dx[j]*s.dv[j]
	}
	s.direction()
	primal, dual = s.longest()
	primal, dual = min(1, stepBack*primal), min(1, stepBack*dual)
	for j := range s.x {
		s.x[j] += primal * s.dx[j]
		s.room[j] -= primal * s.dx[j]
		s.z[j] += dual * s.dz[j]
		s.v[j] += dual * s.dv[j]
	}
	for i := range s.y {
		s.y[i] += dual * s.dy[i]
	}
}

// longest is how far values and prices can go before one of them reaches 0, at most 1.
func (s *state) longest() (primal, dual float64) {
	primal, dual = 1, 1
	until := func(far *float64, at, by float64) {
		if by < 0 {
			*far = min(*far, -at/by)
		}
	}
	for j := range s.x {
		until(&primal, s.x[j], s.dx[j])
		until(&primal, s.room[j], -s.dx[j])
		until(&dual, s.z[j], s.dz[j])
		until(&dual, s.v[j], s.dv[j])
	}
	return primal, dual
}

// direction solves Newton's equations for what is off.
func (s *state) direction() {
	copy(s.dy, s.rp)
	for j := range s.x {
		s.dx[j] = s.rd[j] - s.xz[j]/s.x[j] + s.rv[j]/s.room[j]
		for _, e := range s.p.Columns[j].Entries {
			s.dy[e.Row] += e.Value * s.theta[j] * s.dx[j]
		}
	}
	s.substitute()
	for j := range s.x {
		moved := -s.dx[j]
		for _, e := range s.p.Columns[j].Entries {
			moved += e.Value * s.dy[e.Row]
		}
		s.dx[j] = s.theta[j] * moved
		s.dz[j] = (s.xz[j] - s.z[j]*s.dx[j]) / s.x[j]
		s.dv[j] = (s.rv[j] + s.v[j]*s.dx[j]) / s.room[j]
	}
}
