package selection

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// settle finds the winner under the load, else, with s.idle set, on idle pools.
func (s *scan) settle() (figures, bool) {
	if s.latencyMS < s.offer.FloorMS {
		return figures{}, false
	}
	if f, found := s.best(); found {
		return f, true
	}
	s.idle = true
	return s.best()
}

// best returns the feasible row that wins.
func (s *scan) best() (figures, bool) {
	var spans spans
	if s.objective == "" {
		spans = newSpans()
		s.feasible(func(f *figures) { spans.extend(f) })
	}
	var best figures
	found := false
	s.feasible(func(f *figures) {
		if s.objective == "" {
			f.score = spans.score(f, s.need.Weights)
		}
		if !found || s.compare(f, &best) < 0 {
			best, found = *f, true
		}
	})
	return best, found
}

// feasible visits the rows that keep the bounds; f is only lent.
func (s *scan) feasible(visit func(f *figures)) {
	for i := range s.groups {
		f := s.open(&s.groups[i])
		if f.verdict != feasible {
			continue
		}
		for at := range f.group.rows {
			if s.judge(&f, at); f.verdict == feasible {
				visit(&f)
			}
			f.verdict = feasible
		}
	}
}

// compare orders by the objective first, then by everything else, so that the
// winner is dominated by nobody.
func (s *scan) compare(a, b *figures) int {
	order := 0
	switch s.objective {
	case query.Latency:
		order = cmp.Compare(a.latencyMS, b.latencyMS)
	case query.Accuracy:
		order = cmp.Compare(b.accuracy, a.accuracy)
	case query.Cost:
		order = cmp.Compare(a.costUSD, b.costUSD)
	default:
		order = cmp.Compare(a.score, b.score)
	}
	if order != 0 {
		return order
	}
	order = cmp.Or(
		cmp.Compare(a.costUSD, b.costUSD),
		cmp.Compare(a.priceUSD, b.priceUSD),
		cmp.Compare(b.accuracy, a.accuracy),
		cmp.Compare(a.latencyMS, b.latencyMS),
	)
	if order != 0 {
		return order
	}
	// Names and the order of the instance types make the answer the same every
	// time; a catalogue lists a family's sizes from small to large.
	return cmp.Or(
		strings.Compare(a.group.model.Name, b.group.model.Name),
		cmp.Compare(a.group.rows[a.at].pool, b.group.rows[b.at].pool),
		cmp.Compare(a.group.details[a.at].resource.MemoryMB, b.group.details[b.at].resource.MemoryMB),
	)
}

// span is the range of one dimension over the feasible candidates.
type span struct{ low, high float64 }

func (p *span) extend(x float64) { p.low, p.high = min(p.low, x), max(p.high, x) }

// share is where x lies in the span, 0 at its low end and 1 at its high end.
func (p span) share(x float64) float64 {
	if p.high <= p.low {
		return 0
	}
	return (x - p.low) / (p.high - p.low)
}

// spans normalize the three dimensions, so that weights compare like with like.
type spans struct{ latency, inaccuracy, cost span }

func newSpans() spans {
	none := span{low: math.Inf(1), high: math.Inf(-1)}
	return spans{none, none, none}
}

func (p *spans) extend(f *figures) {
	p.latency.extend(f.latencyMS)
	p.inaccuracy.extend(-f.accuracy)
	p.cost.extend(f.costUSD)
}

func (p *spans) score(f *figures, w query.Weights) float64 {
	return w.Latency*p.latency.share(f.latencyMS) + w.Accuracy*p.inaccuracy.share(-f.accuracy) + w.Cost*p.cost.share(f.costUSD)
}

// Choose ranks every candidate, each with the reason it won or lost. The first
// is Pick's, and so are the errors.
func Choose(n query.Need, o Offer) (Ranked, error) {
	s, err := newScan(n, &o)
	if err != nil {
		return Ranked{}, err
	}
	if _, found := s.settle(); !found {
		return Ranked{Class: s.class}, s.unsatisfiable()
	}
	all := s.all()
	slices.SortFunc(all, func(a, b figures) int {
		return cmp.Or(cmp.Compare(min(a.verdict, 1), min(b.verdict, 1)), s.compare(&a, &b))
	})
	return s.ranked(all), nil
}

// all returns every row on offer, with its score where weights decide.
func (s *scan) all() []figures {
	var all []figures
	spans := newSpans()
	for i := range s.groups {
		opened := s.open(&s.groups[i])
		for at := range opened.group.rows {
			f := opened
			if s.judge(&f, at); f.verdict == notOffered {
				continue
			}
			if f.verdict == feasible {
				spans.extend(&f)
			}
			all = append(all, f)
		}
	}
	if s.objective == "" {
		for i := range all {
			all[i].score = spans.score(&all[i], s.need.Weights)
		}
	}
	return all
}

func (s *scan) ranked(all []figures) Ranked {
	r := Ranked{Class: s.class, Objective: string(s.objective), Candidates: make([]Candidate, len(all))}
	if s.objective == "" {
		r.Objective = "weights"
	}
	for i := range all {
		c := s.candidate(all[i])
		if c.Reason = s.lostBecause(&all[i], &all[0]); i == 0 {
			c.Reason = s.wonBecause()
		}
		r.Candidates[i] = c
	}
	return r
}

// candidate holds a row's figures. In the idle view the latency is that of the
// load all the same, where there are runners to derive it from.
func (s *scan) candidate(f figures) Candidate {
	d := &f.group.details[f.at]
	c := Candidate{
		Model: f.group.model.Name, Resource: d.resource, Service: d.service,
		LatencyMS: f.latencyMS, Accuracy: f.accuracy, CostUSD: f.costUSD, PriceUSD: f.priceUSD,
		Feasible: f.verdict == feasible,
	}
	if pool := f.group.rows[f.at].pool; s.idle && pool >= 0 {
		c.LatencyMS += s.loads[pool].waitMS
		c.Waits = c.Feasible
	}
	return c
}

func (s *scan) wonBecause() string {
	why := "best by the weights, within the bounds"
	switch s.objective {
	case query.Latency:
		why = "fastest within the bounds"
	case query.Accuracy:
		why = "most accurate within the bounds"
	case query.Cost:
		why = "cheapest within the bounds"
	}
	if s.idle {
		why += "; it is too slow under the present load, so the query waits for a worker"
	}
	return why
}

// lostBecause says why f lost against the winner.
func (s *scan) lostBecause(f, won *figures) string {
	switch f.verdict {
	case noWorker:
		return cmp.Or(s.offer.Absence, "no worker is ready")
	case broken:
		return "recent runs fail there: " + s.brokenBy(f)
	case relaxedWaits:
		return "a relaxed query waits for a worker"
	case tooSlow:
		return fmt.Sprintf("latency %.1f ms, above the bound of %.1f ms", f.latencyMS, s.latencyMS)
	case tooInaccurate:
		return fmt.Sprintf("accuracy %.2f %%, below the bound of %.2f %%", f.accuracy, s.accuracy)
	case tooExpensive:
		return fmt.Sprintf("cost $%.4f per million queries, above the bound of $%.4f", f.priceUSD*1e6, s.priceUSD*1e6)
	}
	return s.worseBy(f, won)
}

func (s *scan) worseBy(f, won *figures) string {
	switch {
	case s.objective == query.Latency && f.latencyMS > won.latencyMS:
		return fmt.Sprintf("%.1f ms slower", f.latencyMS-won.latencyMS)
	case s.objective == query.Accuracy && f.accuracy < won.accuracy:
		return fmt.Sprintf("%.2f points less accurate", won.accuracy-f.accuracy)
	case s.objective == "":
		return "the weighted sum of latency, accuracy and cost is worse"
	case f.costUSD > won.costUSD:
		return fmt.Sprintf("costs %s more per million queries", pricing.Dollars((f.costUSD-won.costUSD)*1e6))
	case f.priceUSD > won.priceUSD:
		return fmt.Sprintf("costs the same now, but takes worker time worth %s more per million queries", pricing.Dollars((f.priceUSD-won.priceUSD)*1e6))
	}
	return "equally good"
}
