package simulate

import (
	"cmp"
	"slices"
)

// Ask is what a part of the queries asks for, and which models answer it.
type Ask struct {
	Strict  bool
	BoundMS float64  // latency bound, the way there in it
	Served  []Served // each as likely
	// Choice, when set, lets another model answer a strict query for which no worker
	// has a slot in time. It is played in a run as deployed.
	Choice *Choice `json:"-"`
}

// Served is a model that answers an ask.
type Served struct {
	Model      int  // of the pool's models
	Inaccurate bool // it is less accurate than was asked for
}

// validate refuses an ask that cannot be played.
func (a Ask) validate(c *Config) error {
	if len(c.Pools) != 1 {
		return invalidf("queries with their own bounds are simulated on exactly one pool, and the configuration has %d", len(c.Pools))
	}
	if !(a.BoundMS > c.Settings.PathMS) {
		return invalidf("an ask's latency bound is %v ms, not above the way there of %v ms", a.BoundMS, c.Settings.PathMS)
	}
	if len(a.Served) == 0 {
		return invalidf("an ask within %v ms has no model", a.BoundMS)
	}
	for _, s := range a.Served {
		if s.Model < 0 || s.Model >= len(c.Pools[0].Models) {
			return invalidf("an ask has model %d of %d", s.Model, len(c.Pools[0].Models))
		}
	}
	return nil
}

// demands are what the queries of a pool ask for: the asks, or without them the
// two classes, each of any model.
func (c *Config) demands(p *Pool) []Ask {
	if len(c.Asks) > 0 {
		return c.Asks
	}
	all := make([]Served, len(p.Models))
	for i := range all {
		all[i].Model = i
	}
	return []Ask{{BoundMS: c.RelaxMS, Served: all}, {Strict: true, BoundMS: c.StrictMS, Served: all}}
}

// mean is the mean over the pool's queries, or over the relaxed ones alone, of
// what each is worth.
func (c *Config) mean(p *Pool, relaxed bool, worth func(m *Model, boundMS float64) float64) float64 {
	return c.meanByModel(p, relaxed, func(model int, boundMS float64) float64 { return worth(&p.Models[model], boundMS) })
}

// meanByModel is mean by the model's place in the pool.
func (c *Config) meanByModel(p *Pool, relaxed bool, worth func(model int, boundMS float64) float64) float64 {
	sum, n := 0.0, 0
	for _, a := range c.demands(p) {
		if relaxed && a.Strict {
			continue
		}
		of := 0.0
		for _, s := range a.Served {
			of += worth(int(s.Model), a.BoundMS) / float64(len(a.Served))
		}
		sum += of
		n++
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// longestMS is the longest latency bound.
func (c *Config) longestMS() float64 {
	longest := max(c.StrictMS, c.RelaxMS)
	if len(c.Asks) > 0 {
		longest = slices.MaxFunc(c.Asks, func(a, b Ask) int { return cmp.Compare(a.BoundMS, b.BoundMS) }).BoundMS
	}
	return longest
}

// query draws what a query is: the asks or the class by the low half of a
// number, the model by the high one.
func (e *engine) query(p *pool, draw uint64) job {
	low, high := draw&(1<<32-1), draw>>32
	j := job{at: e.now, counted: e.now >= e.from}
	if asks := e.cfg.Asks; len(asks) > 0 {
		j.ask = int32(low * uint64(len(asks)) >> 32)
		a := &asks[j.ask]
		s := a.Served[high*uint64(len(a.Served))>>32]
		j.strict, j.model = a.Strict, int32(s.Model)
		j.deadline = e.now + micros(a.BoundMS) - e.path
		if s.Inaccurate && j.counted {
			e.class(&j).Inaccurate++
		}
		return j
	}
	j.strict = low < e.cut
	j.model = int32(high * uint64(len(p.service)) >> 32)
	class := 0
	if j.strict {
		class = 1
	}
	j.deadline = e.now + e.budget[class]
	return j
}
