package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/platform"
)

// breakers is a resource that knows which models fail on it.
type breakers interface{ Broken() []breaker.Open }

// brokenOnFunctions are the models that fail on functions, as this process has seen, or any
// by the view.
func (s *Service) brokenOnFunctions() []breaker.Open {
	var here []breaker.Open
	if b, ok := s.Functions.(breakers); ok {
		here = b.Broken()
	}
	return breaker.Anywhere(here, s.fleet.current().BrokenOnFunctions)
}

// failsOnFunctions says why a model is not run on functions for now; empty when it may be.
func (s *Service) failsOnFunctions(model string, now time.Time) string {
	for _, o := range s.brokenOnFunctions() {
		if o.Model == model && now.Before(o.Until) {
			return o.Why
		}
	}
	return ""
}

// broken are the models that fail on a pool's every worker, or on functions, with why,
// and when the first of them is tried again.
func (s *Service) broken(pool string, now time.Time) (map[selection.Broken]string, time.Time) {
	var out map[selection.Broken]string
	var until time.Time
	add := func(kind query.RunnerKind, all []breaker.Open) {
		for _, o := range all {
			if !now.Before(o.Until) {
				continue
			}
			if out == nil {
				out = map[selection.Broken]string{}
			}
			out[selection.Broken{Model: o.Model, Kind: kind}] = o.Why
			if until.IsZero() || o.Until.Before(until) {
				until = o.Until
			}
		}
	}
	add(query.OnWorker, s.fleet.broken(pool))
	add(query.OnFunction, s.brokenOnFunctions())
	return out, until
}

func (f *fleetView) broken(pool string) []breaker.Open {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.estimates[pool].View().Broken
}

// becauseBroken is the refusal of a query that something could answer if its runs did
// not fail there; the error as it is of any other.
func (s *Service) becauseBroken(p plan, o selection.Offer, err error) error {
	u := (*selection.Unsatisfiable)(nil)
	if len(o.Broken) == 0 || !errors.As(err, &u) {
		return err
	}
	why, now := "", s.Now()
	_, until := s.broken(p.pool.Name, now)
	for _, w := range o.Broken {
		why = w
	}
	o.Broken = nil
	if c, _, again := s.Chooser.Pick(p.effective(), o); again == nil {
		no := refuse(NoCapacity, "", "runs of model %s fail at present: %s", c.Model, why)
		no.RetryAfter = max(time.Second, until.Sub(now))
		return no
	}
	return err
}

// runsOn reports whether some model of a task, or the one that is named, runs on a kind of
// resource, and why not.
func (s *Service) runsOn(kind query.RunnerKind, task, model string, broken map[selection.Broken]string) error {
	err := s.noneOffered(task)
	models := s.catalogue().Models
	if m, ok := s.version(model); ok && m != nil {
		models = []profile.Model{*m} // also one on trial, which is not offered otherwise
	} else if model != "" {
		models = nil
	}
	for _, m := range models {
		if m.Task != task {
			continue
		}
		why, is := broken[selection.Broken{Model: m.Name, Kind: kind}]
		if !is {
			return nil
		}
		err = fmt.Errorf("runs of model %s fail on every %s: %s", m.Name, kind, why)
	}
	return err
}

// becauseWithheld is the refusal of a query that no model is offered for; the error as it is
// of any other.
func (s *Service) becauseWithheld(task string, err error) error {
	u := (*selection.Unsatisfiable)(nil)
	offered := slices.ContainsFunc(s.catalogue().Models, func(m profile.Model) bool { return m.Task == task })
	if offered || !errors.As(err, &u) {
		return err
	}
	return refuse(NoCapacity, "task", "%v", s.noneOffered(task))
}

// noneOffered says that no model of a task is offered, and why one of them is not.
func (s *Service) noneOffered(task string) error {
	of := s.prepared().from
	for _, m := range of.Models {
		if why := of.Withheld[m.Name]; m.Task == task && why != "" {
			return fmt.Errorf("no model of task %s is served: model %s is not offered: %s", task, m.Name, why)
		}
	}
	return fmt.Errorf("no model of task %s is served", task)
}

// addBroken adds the open breakers to a status.
func (s *Service) addBroken(st *api.Status, ws []platform.WorkerReport) {
	for _, w := range ws {
		for _, o := range w.Broken {
			st.Broken = append(st.Broken, api.BrokenModel{Open: o, Kind: query.OnWorker, Name: w.ID})
		}
	}
}

// addBrokenFunctions adds those of functions.
func (s *Service) addBrokenFunctions(st *api.Status) {
	for _, o := range s.brokenOnFunctions() {
		st.Broken = append(st.Broken, api.BrokenModel{Open: o, Kind: query.OnFunction})
	}
	st.Broken = slices.DeleteFunc(st.Broken, func(b api.BrokenModel) bool { return !st.At.Before(b.Until) })
}

// ModelNotReady is NotReady of one model of a task.
func (s *Service) ModelNotReady(ctx context.Context, task, model string) error {
	return s.notReady(ctx, task, model)
}
