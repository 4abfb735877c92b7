package selection

import (
	"fmt"
	"math"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Unsatisfiable says that no model on any resource keeps the bounds, even
// without load, and what comes nearest.
type Unsatisfiable struct {
	Need query.Need `json:"need"`
	// FloorMS is the least latency bound that this backend keeps, when the bound is below it.
	FloorMS float64 `json:"floor_ms,omitempty"`
	// Nearest is the candidate that misses the bounds by the least share; nil
	// when nothing is on offer at all.
	Nearest *Candidate `json:"nearest,omitempty"`
	// Possible are bounds as near as can be to those asked for, which would be kept.
	Possible query.Constraints `json:"possible"`
}

func (u *Unsatisfiable) Error() string {
	if u.Nearest == nil {
		return fmt.Sprintf("no worker and no function can run a model of task %q", u.Need.Task)
	}
	var misses []string
	want, can := u.Need.Constraints, u.Possible
	if can.LatencyMS != want.LatencyMS {
		misses = append(misses, fmt.Sprintf("%.4g ms (requested: %.4g ms)", can.LatencyMS, want.LatencyMS))
	}
	switch {
	case can.Accuracy == want.Accuracy:
	case can.Accuracy == 0:
		misses = append(misses, fmt.Sprintf("an accuracy that was never measured (requested: %.4g %%)", want.Accuracy))
	default:
		misses = append(misses, fmt.Sprintf("%.2f %% accuracy (requested: %.4g %%)", can.Accuracy, want.Accuracy))
	}
	if can.CostUSDPerMillion != want.CostUSDPerMillion {
		misses = append(misses, fmt.Sprintf("$%.4g per million queries (requested: $%.4g)", can.CostUSDPerMillion, want.CostUSDPerMillion))
	}
	text := fmt.Sprintf("no model meets these bounds; the nearest is %s on %s with %s",
		u.Nearest.Model, u.Nearest.Resource, strings.Join(misses, ", "))
	if u.FloorMS > 0 {
		text += fmt.Sprintf("; the lowest latency bound that this stage can keep is %.4g ms", u.FloorMS)
	}
	return text
}

// String names the resource in words.
func (r Resource) String() string {
	if r.MemoryMB > 0 {
		return fmt.Sprintf("%s at %d MB", r.Name, r.MemoryMB)
	}
	return r.Name
}

// unsatisfiable finds what comes nearest, on idle pools.
func (s *scan) unsatisfiable() error {
	u := &Unsatisfiable{Need: s.need}
	if s.latencyMS < s.offer.FloorMS {
		u.FloorMS = s.offer.FloorMS
	}
	s.idle = true
	least := math.Inf(1)
	var nearest figures
	for _, f := range s.all() {
		if f.verdict == relaxedWaits {
			continue
		}
		miss := s.miss(&f)
		if miss < least || miss == least && f.priceUSD < nearest.priceUSD {
			least, nearest = miss, f
		}
	}
	if nearest.group == nil {
		return u
	}
	c := s.candidate(nearest)
	c.LatencyMS = nearest.latencyMS
	u.Nearest, u.Possible = &c, s.possible(&nearest)
	return u
}

// miss is by how much a row misses the bounds, as the sum of the shares.
func (s *scan) miss(f *figures) float64 {
	miss := max(0, f.latencyMS/s.latencyMS-1) + max(0, f.priceUSD/s.priceUSD-1)
	if s.accuracy > 0 {
		miss += max(0, 1-f.accuracy/s.accuracy)
	}
	return miss
}

// possible loosens the bounds that a row misses, rounded to its safe side.
func (s *scan) possible(f *figures) query.Constraints {
	c := s.need.Constraints
	if least := max(f.latencyMS, s.offer.FloorMS); least > s.latencyMS {
		c.LatencyMS = math.Ceil(least*1000) / 1000
	}
	if f.accuracy < s.accuracy {
		c.Accuracy = math.Floor(f.accuracy*1000) / 1000
	}
	if f.priceUSD > s.priceUSD {
		c.CostUSDPerMillion = math.Ceil(f.priceUSD*1e6*1e6+1) / 1e6
	}
	return c
}
