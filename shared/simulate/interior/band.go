package interior

import "math"

// A row that follows from rows before it, or that no column can move any more, leaves a
// pivot of rounding alone, below leastPivot of its diagonal. noStep takes its place, so that
// the row's price stays as it is (Zhang, Optimization Methods and Software 10, 1998).
const (
	leastPivot = 1e-12
	noStep     = 1e64
)

// factor makes the normal matrix and factors it into a lower triangle, in place.
func (s *state) factor() {
	w := s.p.Band + 1
	clear(s.band)
	for j := range s.p.Columns {
		for _, a := range s.p.Columns[j].Entries {
			for _, b := range s.p.Columns[j].Entries {
				if b.Row <= a.Row {
					s.band[a.Row*w+b.Row-a.Row+s.p.Band] += a.Value * b.Value * s.theta[j]
				}
			}
		}
	}
	for i := range s.p.Right {
		for k := max(0, i-s.p.Band); k <= i; k++ {
			at := i*w + k - i + s.p.Band
			sum, least := s.band[at], leastPivot*s.band[at]
			for l := max(0, i-s.p.Band); l < k; l++ {
				if k-l <= s.p.Band {
					sum -= s.band[i*w+l-i+s.p.Band] * s.band[k*w+l-k+s.p.Band]
				}
			}
			if k < i {
				s.band[at] = sum / s.band[k*w+s.p.Band]
			} else if sum > least {
				s.band[at] = math.Sqrt(sum)
			} else {
				s.band[at] = noStep
			}
		}
	}
}

// substitute solves the factored system for dy, in place.
func (s *state) substitute() {
	w, n := s.p.Band+1, len(s.dy)
	for i := range n {
		for k := max(0, i-s.p.Band); k < i; k++ {
			s.dy[i] -= s.band[i*w+k-i+s.p.Band] * s.dy[k]
		}
		s.dy[i] /= s.band[i*w+s.p.Band]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k <= min(n-1, i+s.p.Band); k++ {
			s.dy[i] -= s.band[k*w+i-k+s.p.Band] * s.dy[k]
		}
		s.dy[i] /= s.band[i*w+s.p.Band]
	}
}
