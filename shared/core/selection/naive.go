package selection

import (
	"errors"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Draw returns a number from 0 to n-1, each as likely. Randomness is passed in.
type Draw func(n int) int

// NaiveAny is the baseline that looks at no constraint: a model drawn from the
// whole pool, on the resource that suits it best, in time where that can be.
func NaiveAny(n query.Need, o Offer, draw Draw) (Candidate, query.Class, error) {
	s, err := newScan(n, &o)
	if err != nil {
		return Candidate{}, "", err
	}
	n.Class = s.class // the bounds may go, the class stays
	if n.Model == "" && len(s.groups) > 0 {
		n.Model = s.groups[draw(len(s.groups))].model.Name
	}
	n.Constraints.Accuracy, n.Constraints.CostUSDPerMillion = 0, 0
	c, class, err := Pick(n, o)
	var u *Unsatisfiable
	if errors.As(err, &u) {
		n.Constraints.LatencyMS = 0
		return Pick(n, o)
	}
	return c, class, err
}

// NaiveFeasible is the baseline that keeps the bounds and optimizes nothing: a
// model drawn from those that some resource runs within them, on the resource
// that suits it best.
func NaiveFeasible(n query.Need, o Offer, draw Draw) (Candidate, query.Class, error) {
	r, err := Choose(n, o)
	if err != nil {
		return Candidate{}, r.Class, err
	}
	best := bestOfEach(r)
	return best[draw(len(best))], r.Class, nil
}

// bestOfEach returns the feasible models of a ranking, each on its best resource.
func bestOfEach(r Ranked) []Candidate {
	seen := map[string]bool{}
	var out []Candidate
	for _, c := range r.Candidates {
		if c.Feasible && !seen[c.Model] {
			seen[c.Model] = true
			out = append(out, c)
		}
	}
	return out
}

// Explore is Pick, but with the probability share it draws among all feasible
// models, so that each stays observed: a model that is never chosen could not
// show that it has recovered. chance returns a number in [0, 1).
func Explore(n query.Need, o Offer, share float64, chance func() float64, draw Draw) (Candidate, query.Class, error) {
	if share <= 0 || n.Model != "" || chance() >= share {
		return Pick(n, o)
	}
	// What feedback says against a model must not keep it from being seen:
	// the profile's accuracy decides who takes part.
	o.Accuracy = nil
	c, class, err := NaiveFeasible(n, o, draw)
	if err == nil {
		c.Reason = "chosen at random, to keep measuring its accuracy"
	}
	return c, class, err
}
