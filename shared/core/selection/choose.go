package selection

import (
	"errors"
	"fmt"
	"math"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Errors of a need that no load and no resource can mend.
var (
	ErrInvalid      = errors.New("invalid constraint")
	ErrUnknownTask  = errors.New("unknown task")
	ErrUnknownModel = errors.New("unknown model")
)

// Pick returns the winner of Choose, without the reasons of the others.
//
// A bound is kept under the load of this moment where that can be. Where an
// idle pool would keep it and the load does not, the query is taken all the
// same and waits (Candidate.Waits): load passes, and is no ground to refuse.
// It fails with *Unsatisfiable when no resource keeps the bounds even idle,
// and with ErrInvalid, ErrUnknownTask or ErrUnknownModel.
func Pick(n query.Need, o Offer) (Candidate, query.Class, error) {
	s, err := newScan(n, &o)
	if err != nil {
		return Candidate{}, "", err
	}
	best, found := s.settle()
	if !found {
		return Candidate{}, s.class, s.unsatisfiable()
	}
	c := s.candidate(best)
	c.Feasible = true
	c.Reason = s.wonBecause()
	return c, s.class, nil
}

// figures are what is predicted of one row.
type figures struct {
	group     *group
	at        int // of the row in its group
	latencyMS float64
	accuracy  float64
	costUSD   float64
	priceUSD  float64
	score     float64 // when weights decide
	verdict   verdict
}

// verdict says whether a row is feasible, and why not.
type verdict uint8

const (
	feasible verdict = iota
	notOffered
	noWorker
	relaxedWaits
	tooSlow
	tooInaccurate
	tooExpensive
	broken
)

// scan is one choice: the need, the bounds made absolute, the load and the rows.
type scan struct {
	need      query.Need
	offer     *Offer
	table     *Table
	groups    []group
	class     query.Class
	objective query.Dimension // empty for weights
	latencyMS float64         // bounds; infinite when there is none
	priceUSD  float64
	accuracy  float64
	loads     []load
	functions bool // may be chosen
	idle      bool // judge the pools as if they were idle and there
	few       [4]load
}

func newScan(n query.Need, o *Offer) (*scan, error) {
	if err := check(n); err != nil {
		return nil, err
	}
	s := &scan{need: n, offer: o, table: o.table(), class: n.ClassOf(o.StrictBelowMS), objective: n.Objective()}
	s.groups = s.table.tasks[n.Task]
	if _, ok := o.Catalogue.Task(n.Task); !ok {
		return nil, fmt.Errorf("%w %q", ErrUnknownTask, n.Task)
	}
	if n.Model != "" {
		if m, ok := o.Catalogue.Model(n.Model); !ok || m.Task != n.Task {
			return nil, fmt.Errorf("%w %q of task %q", ErrUnknownModel, n.Model, n.Task)
		}
	}
	s.latencyMS, s.priceUSD, s.accuracy = bounds(n.Constraints)
	s.loads = o.loads(s.table, s.few[:0])
	s.functions = o.Arch != "" && o.Arch == s.table.arch
	if s.class == query.Relaxed && !o.Planned && s.served() {
		s.functions = false
	}
	return s, nil
}

// served reports whether some pool serves the task.
func (s *scan) served() bool {
	for _, l := range s.loads {
		if l.served {
			return true
		}
	}
	return false
}

func bounds(c query.Constraints) (latencyMS, priceUSD, accuracy float64) {
	latencyMS, priceUSD = math.Inf(1), math.Inf(1)
	if c.LatencyMS > 0 {
		latencyMS = c.LatencyMS
	}
	if c.CostUSDPerMillion > 0 {
		priceUSD = c.CostUSDPerMillion / 1e6
	}
	return latencyMS, priceUSD, c.Accuracy
}

func check(n query.Need) error {
	c, w := n.Constraints, n.Weights
	for _, x := range []struct {
		field string
		value float64
	}{
		{"latency_ms", c.LatencyMS}, {"accuracy", c.Accuracy}, {"cost_usd_per_million", c.CostUSDPerMillion},
		{"weights.latency", w.Latency}, {"weights.accuracy", w.Accuracy}, {"weights.cost", w.Cost},
	} {
		if !(x.value >= 0) || math.IsInf(x.value, 0) {
			return fmt.Errorf("%w: %s is %v, not a number of 0 or more", ErrInvalid, x.field, x.value)
		}
	}
	if c.Accuracy > 100 {
		return fmt.Errorf("%w: accuracy is %v, above 100 percent", ErrInvalid, c.Accuracy)
	}
	switch n.Optimize {
	case "", query.Latency, query.Accuracy, query.Cost:
		return nil
	}
	return fmt.Errorf("%w: optimize is %q, not latency, accuracy or cost", ErrInvalid, n.Optimize)
}

// open returns what is the same for all rows of a group: the accuracy, and a
// verdict where the model itself is out.
func (s *scan) open(g *group) figures {
	f := figures{group: g, accuracy: g.model.Accuracy.Top1Percent}
	if learnt, ok := s.offer.Accuracy[g.model.Name]; ok {
		f.accuracy = learnt
	}
	switch {
	case s.need.Model != "" && g.model.Name != s.need.Model:
		f.verdict = notOffered
	case f.accuracy < s.accuracy:
		f.verdict = tooInaccurate
	}
	return f
}

// judge predicts a row of an opened group under the scan's load and says
// whether it keeps the bounds.
func (s *scan) judge(f *figures, at int) {
	r := &f.group.rows[at]
	out := f.verdict
	f.at, f.priceUSD = at, r.priceUSD
	if r.pool < 0 {
		s.onFunction(f, r)
	} else {
		s.onWorker(f, r)
	}
	if len(s.offer.Broken) > 0 && f.verdict != notOffered && s.brokenBy(f) != "" {
		f.verdict = broken
	}
	switch {
	case out == notOffered || f.verdict == feasible && out != feasible:
		f.verdict = out
	case f.verdict != feasible:
	case f.latencyMS > s.latencyMS:
		f.verdict = tooSlow
	case f.priceUSD > s.priceUSD:
		f.verdict = tooExpensive
	}
}

// brokenBy is why a row's model is not run there; empty when it is.
func (s *scan) brokenBy(f *figures) string {
	kind := query.OnWorker
	if f.group.rows[f.at].pool < 0 {
		kind = query.OnFunction
	}
	return s.offer.Broken[Broken{f.group.model.Name, kind}]
}

func (s *scan) onFunction(f *figures, r *row) {
	f.latencyMS = s.offer.OverflowPathMS + sizing.P95MS(r.serviceMS, r.coldMS, s.offer.ColdShare)
	f.priceUSD += min(s.offer.ColdShare, 1) * r.coldUSD
	f.costUSD = f.priceUSD
	switch {
	case s.functions:
		f.verdict = feasible
	case s.offer.Arch == s.table.arch:
		f.verdict = relaxedWaits
	default:
		f.verdict = notOffered
	}
}

func (s *scan) onWorker(f *figures, r *row) {
	l := &s.loads[r.pool]
	f.latencyMS = s.offer.PathMS + r.serviceMS
	f.costUSD = f.priceUSD
	f.verdict = feasible
	switch {
	case !l.served:
		f.verdict = notOffered
	case s.idle:
	case l.ready:
		f.latencyMS += l.waitMS
		if !s.offer.Planned && f.latencyMS <= s.latencyMS {
			f.costUSD = 0 // a slot that is paid for and free in time
		}
	case s.class == query.Strict:
		f.verdict = noWorker
	}
}
