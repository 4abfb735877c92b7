package selection

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Instead returns the model that answers a strict query in place of the chosen one,
// for which no worker has a slot in time: of the other models that keep the caller's
// bounds and have a slot in time under the offer's load, the cheapest. It is taken
// before the query overflows to a function, which would run the chosen model.
//
// Only a caller who bounds the accuracy says how much of it may be given up. For
// others there is nothing instead, and neither for those who name a model.
func Instead(n query.Need, o Offer, chosen string) (Candidate, bool) {
	if n.Constraints.Accuracy == 0 || n.Model != "" {
		return Candidate{}, false
	}
	s, err := newScan(n, &o)
	if err != nil || s.class != query.Strict || s.latencyMS < o.FloorMS {
		return Candidate{}, false
	}
	var best figures
	found := false
	s.feasible(func(f *figures) {
		if f.group.model.Name == chosen || f.group.rows[f.at].pool < 0 {
			return
		}
		if !found || cheaper(f, &best) < 0 {
			best, found = *f, true
		}
	})
	if !found {
		return Candidate{}, false
	}
	c := s.candidate(best)
	c.Reason = fmt.Sprintf("no slot for %s is free in time; %s is the cheapest model within the bounds that has a free slot", chosen, c.Model)
	return c, true
}

// cheaper orders by the price of a query, then as the winner of a choice by cost.
func cheaper(a, b *figures) int {
	return cmp.Or(
		cmp.Compare(a.priceUSD, b.priceUSD),
		cmp.Compare(b.accuracy, a.accuracy),
		cmp.Compare(a.latencyMS, b.latencyMS),
		strings.Compare(a.group.model.Name, b.group.model.Name),
	)
}
