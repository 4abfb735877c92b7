// Package breaker decides which models are not run on a resource for a while,
// because their runs fail there: a circuit breaker per model and resource
// (Nygard: "Release It!", 2nd edition, 2018, chapter 5). A fast error must not
// attract the queries that a fast answer would. It is pure: time is passed in.
package breaker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// tripAfter is how many runs in a row fail before a breaker opens. One that
	// fails of a thousand never opens it.
	tripAfter = 5
	// A breaker is open for firstOpen, and twice as long each time that the first
	// run afterwards fails too, up to longestOpen.
	firstOpen, longestOpen = 15 * time.Second, 4 * time.Minute
)

// Set is the breakers of one process, by model, for one kind of resource. The
// zero value has none open. It is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	models map[string]*state
}

// state is one model's breaker. One without failures is not kept.
type state struct {
	failures int
	openFor  time.Duration // when it last opened; 0 before
	until    time.Time
	why      string
}

// Everywhere lists the models that are open in every one of some places, each until the
// first of them is tried again; none without a place.
func Everywhere(places [][]Open) []Open {
	if len(places) == 0 {
		return nil
	}
	var out []Open
	for _, o := range places[0] {
		all := true
		for _, other := range places[1:] {
			at := slices.IndexFunc(other, func(p Open) bool { return p.Model == o.Model })
			if all = all && at >= 0; all && other[at].Until.Before(o.Until) {
				o.Until = other[at].Until
			}
		}
		if all {
			out = append(out, o)
		}
	}
	return out
}

// Anywhere lists the models that are open in one of some places, by model, each until the
// last of them closes.
func Anywhere(places ...[]Open) []Open {
	all := slices.Concat(places...)
	if len(all) == 0 {
		return nil
	}
	last := map[string]Open{}
	for _, o := range all {
		if known, ok := last[o.Model]; !ok || known.Until.Before(o.Until) {
			last[o.Model] = o
		}
	}
	return slices.SortedFunc(maps.Values(last), byModel)
}

// Prevailing lists the models that are open in more processes than answer with them, each
// until the last of those breakers closes. open has the breakers of each process that uses one
// kind of resource. answering has, by model, the number of processes without an open breaker in
// which a run succeeded within Recent. What fails in one process alone, while it succeeds in
// others, is that process's own fault.
func Prevailing(open [][]Open, answering map[string]int) []Open {
	failing := map[string]int{}
	for _, of := range open {
		for _, o := range of {
			failing[o.Model]++
		}
	}
	return slices.DeleteFunc(Anywhere(open...), func(o Open) bool { return failing[o.Model] <= answering[o.Model] })
}

// Recent is for how long a success counts as evidence that a model's runs do not fail.
const Recent = firstOpen

func byModel(a, b Open) int { return cmp.Compare(a.Model, b.Model) }

// Changed reports whether what is open differs from what was, other than by time.
func Changed(was, open []Open, now time.Time) bool {
	were := map[string]time.Time{}
	for _, o := range was {
		if now.Before(o.Until) {
			were[o.Model] = o.Until
		}
	}
	for _, o := range open {
		if until, ok := were[o.Model]; !ok || !until.Equal(o.Until) {
			return true
		}
		delete(were, o.Model)
	}
	return len(were) > 0
}

// Open is a breaker that is open.
type Open struct {
	Model string    `json:"model"`
	Until time.Time `json:"until"` // from then on one run tries again
	Why   string    `json:"why"`   // the last failure
}

// Failed counts a run of a model that failed for what is the model's own fault.
// It is true when that opened the breaker.
func (s *Set) Failed(model, why string, now time.Time) bool { return s.failed(model, why, now, 1) }

// NotLoaded counts a load that failed. It opens the breaker at once: no run can
// succeed.
func (s *Set) NotLoaded(model, why string, now time.Time) bool {
	return s.failed(model, why, now, tripAfter)
}

func (s *Set) failed(model, why string, now time.Time, weight int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.models[model]
	if b == nil {
		if s.models == nil {
			s.models = map[string]*state{}
		}
		b = &state{}
		s.models[model] = b
	}
	b.failures, b.why = b.failures+weight, why
	if b.failures < tripAfter || now.Before(b.until) {
		return false
	}
	b.openFor = min(max(firstOpen, 2*b.openFor), longestOpen)
	b.until = now.Add(b.openFor)
	return true
}

// Succeeded closes a model's breaker.
func (s *Set) Succeeded(model string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.models, model)
}

// IsOpen says until when a model's breaker is open; false when it is closed, or a run
// may try again.
func (s *Set) IsOpen(model string, now time.Time) (Open, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.models[model]
	if b == nil || !now.Before(b.until) {
		return Open{}, false
	}
	return Open{Model: model, Until: b.until, Why: b.why}, true
}

// AllOpen lists the breakers that are open, by model.
func (s *Set) AllOpen(now time.Time) []Open {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Open
	for model, b := range s.models {
		if now.Before(b.until) {
			out = append(out, Open{Model: model, Until: b.until, Why: b.why})
		}
	}
	slices.SortFunc(out, byModel)
	return out
}
