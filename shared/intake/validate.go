package intake

import (
	"math"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// What is sensible to ask: beyond it a unit was mistaken or a program is wrong.
const (
	maxLatencyMS = 3_600_000 // an hour
	maxAccuracy  = 100       // percent
	maxCost      = 1e9       // US dollars a million queries
	maxKeyBytes  = 255
	maxWeight    = 1e6
)

// need validates what a request asks and returns it in the terms of selection.
func (s *Service) need(r Request, set settings.Settings) (query.Need, error) {
	n := query.Need{Task: r.Task, Model: r.Model, Class: r.Class, Optimize: r.Optimize}
	if err := s.checkNames(&n); err != nil {
		return n, err
	}
	if r.Class != "" && r.Class != query.Strict && r.Class != query.Relaxed {
		return n, refuse(BadClass, "class", "%q is neither strict nor relaxed", clip(string(r.Class)))
	}
	if err := checkBounds(r.Bounds, set.FloorMS); err != nil {
		return n, err
	}
	if r.Callback != "" {
		if err := callback.Check(r.Callback, set.Callbacks(), s.Callbacks); err != nil {
			return n, refuse(BadCallback, "callback", "%v", err)
		}
	}
	n.Constraints = query.Constraints{
		LatencyMS: value(r.Bounds.LatencyMS), Accuracy: value(r.Bounds.Accuracy),
		CostUSDPerMillion: value(r.Bounds.CostUSDPerMillion),
	}
	return n, checkObjective(r, &n)
}

// checkNames finds the task and the model. A model alone names its task.
func (s *Service) checkNames(n *query.Need) error {
	searched := s.Catalogue.Current()
	err := s.findNames(n)
	if err != nil && s.renew(searched) {
		return s.findNames(n)
	}
	return err
}

func (s *Service) findNames(n *query.Need) error {
	if n.Model != "" {
		m, ok := s.version(n.Model)
		switch {
		case !ok:
			return s.NotOffered(n.Model, refuse(UnknownModel, "model", "there is no model %q; GET /v1/models lists the models", clip(n.Model)))
		case n.Task != "" && m.Task != n.Task:
			return refuse(UnknownModel, "model", "model %q is for task %q, not for %q", m.Name, m.Task, clip(n.Task))
		}
		n.Task = m.Task
	}
	if n.Task == "" {
		return refuse(UnknownTask, "task", "is missing; name one of: %s", s.taskNames())
	}
	if _, ok := s.catalogue().Task(n.Task); !ok {
		return refuse(UnknownTask, "task", "there is no task %q, only: %s", clip(n.Task), s.taskNames())
	}
	if _, ok := s.poolFor(n.Task); !ok {
		return refuse(UnknownTask, "task", "no pool of workers serves task %q", n.Task)
	}
	return nil
}

func (s *Service) taskNames() string {
	var names []string
	for _, t := range s.catalogue().Tasks {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// checkBounds holds each bound to what is sensible, and the latency to the
// backend's floor.
func checkBounds(b Bounds, floorMS float64) error {
	for _, c := range []struct {
		field string
		value *float64
		max   float64
		unit  string
	}{
		{"constraints.latency_ms", b.LatencyMS, maxLatencyMS, "ms"},
		{"constraints.accuracy", b.Accuracy, maxAccuracy, "percent"},
		{"constraints.cost_usd_per_million", b.CostUSDPerMillion, maxCost, "US dollars"},
	} {
		if c.value == nil {
			continue
		}
		v := *c.value
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return refuse(BadBound, c.field, "is not a finite number")
		}
		if v <= 0 {
			return refuse(BadBound, c.field, "is %g: it must be above 0 %s", v, c.unit).withBound(0)
		}
		if v > c.max {
			return refuse(BadBound, c.field, "is %g: it may be at most %.0f %s", v, c.max, c.unit).withBound(c.max)
		}
	}
	if b.Accuracy != nil {
		if percent, share := query.PercentOfShare(*b.Accuracy); share {
			return refuse(BadBound, "constraints.accuracy", "is %g: it is in percent and must be above 1; did you mean %.6g?", *b.Accuracy, percent).withBound(1)
		}
	}
	if b.LatencyMS != nil && *b.LatencyMS < floorMS {
		return refuse(BelowFloor, "constraints.latency_ms",
			"is %g ms, below the shortest bound that this stage can keep, %g ms", *b.LatencyMS, floorMS).withBound(floorMS)
	}
	return nil
}

// checkObjective takes one dimension or weights, and neither when all three
// dimensions are bounded: nothing is left to optimize then.
func checkObjective(r Request, n *query.Need) error {
	if r.Optimize == "" && r.Weights == nil {
		return nil
	}
	if r.Bounds.LatencyMS != nil && r.Bounds.Accuracy != nil && r.Bounds.CostUSDPerMillion != nil {
		return refuse(BadObjective, "optimize", "latency, accuracy and cost are all bounded: leave out one of these bounds, or the field optimize")
	}
	if r.Weights != nil {
		w, err := shares(*r.Weights)
		n.Weights = w
		return err
	}
	switch r.Optimize {
	case query.Latency, query.Accuracy, query.Cost:
		return nil
	}
	return refuse(BadObjective, "optimize", "%q is not latency, accuracy or cost", clip(string(r.Optimize)))
}

// shares returns weights as shares of their sum.
func shares(w query.Weights) (query.Weights, error) {
	sum := w.Latency + w.Accuracy + w.Cost
	for _, c := range []struct {
		name   string
		weight float64
	}{{"latency", w.Latency}, {"accuracy", w.Accuracy}, {"cost", w.Cost}} {
		if math.IsNaN(c.weight) || c.weight < 0 || c.weight > maxWeight {
			return w, refuse(BadObjective, "optimize."+c.name, "is %g: a weight must be within 0 to %g", c.weight, maxWeight)
		}
	}
	if sum == 0 {
		return w, refuse(BadObjective, "optimize", "every weight is 0; at least one must be above 0").withBound(0)
	}
	return query.Weights{Latency: w.Latency / sum, Accuracy: w.Accuracy / sum, Cost: w.Cost / sum}, nil
}

// CheckKey bounds an idempotency key to what fits a header and a log line.
func CheckKey(key string) error {
	if len(key) > maxKeyBytes {
		return refuse(BadKey, "Idempotency-Key", "has %d characters; at most %d are allowed", len(key), maxKeyBytes).withBound(maxKeyBytes)
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return refuse(BadKey, "Idempotency-Key", "contains a character that is not printable ASCII")
		}
	}
	return nil
}

func value(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// clip bounds what is echoed of a caller's own words.
func clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
