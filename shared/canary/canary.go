// Package canary holds new versions of models to the rule of package rollout: it counts
// what each version on trial and the one that is served beside it did since the trial
// began, and has a version rolled back that is worse.
package canary

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/rollout"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Models are the versions, and where they are changed.
type Models interface {
	profile.CatalogueSource
	// Change puts another state of a model's versions in force.
	Change(model string, at time.Time, change func(profile.Rollout) (profile.Rollout, []string, error)) (profile.Rollout, error)
}

// Fleet is where the counts of workers and functions are read.
type Fleet interface {
	Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error)
}

// Options are what a Watcher is made of. All must be set.
type Options struct {
	Models Models
	Fleet  Fleet
	Pools  []string // of Fleet, that of functions included
	// Votes are what callers' opinions say of a version, as far as they count.
	Votes    func(ctx context.Context, m *profile.Model) feedback.Posterior
	Settings func() settings.Settings // in force now
	Now      func() time.Time
	Log      *slog.Logger
}

// Watcher judges the versions on trial. It is not safe for concurrent use.
type Watcher struct {
	Options
	trials map[string]*trial // by model
}

// New makes a watcher, which knows of no trial yet.
func New(o Options) *Watcher { return &Watcher{Options: o, trials: map[string]*trial{}} }

// trial is what was counted of a canary, and meanwhile of the version that is served.
type trial struct {
	canary, served string
	tracker        tally.Tracker
	counted        map[string]tally.Tally // by version
}

// every is how often the versions on trial are judged.
const every = time.Second

// Run judges until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w.Judge(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Judge counts what came since it was called last, and rolls back what is worse.
func (w *Watcher) Judge(ctx context.Context) {
	current := w.trialsNow()
	if len(current) == 0 {
		return
	}
	w.count(ctx)
	set := w.Settings()
	if set.CanaryRollback != settings.On {
		return
	}
	for model, t := range w.trials {
		v := rollout.Judge(w.sample(ctx, t, t.canary), w.sample(ctx, t, t.served), RulesOf(set))
		if !v.RollBack {
			continue
		}
		if err := w.rollBack(model, t, v.Why); err != nil {
			w.Log.Error("a version is worse and could not be rolled back", "version", t.canary, "why", v.Why, "error", err)
			continue
		}
		delete(w.trials, model)
		w.Log.Warn("a version was rolled back", "version", t.canary, "why", v.Why)
	}
}

// trialsNow finds out which versions are on trial, and returns their trials.
func (w *Watcher) trialsNow() map[string]*trial {
	now := map[string]*trial{}
	for _, r := range w.Models.Current().Rollouts {
		if r.Canary == "" || r.Share == 0 {
			continue
		}
		t := w.trials[r.Model]
		if t == nil || t.canary != r.Canary {
			t = &trial{canary: r.Canary, served: r.Served, tracker: tally.NewTracker(w.Now()), counted: map[string]tally.Tally{}}
		}
		now[r.Model] = t
	}
	w.trials = now
	return now
}

// count adds what workers and functions have counted of the versions since the last
// time. Pools that cannot be read are read the next time.
func (w *Watcher) count(ctx context.Context) {
	now := w.Now()
	for _, pool := range w.Pools {
		snapshots, err := w.Fleet.Tallies(ctx, pool)
		if err != nil {
			continue
		}
		for source, s := range snapshots {
			for _, t := range w.trials {
				t.update(pool+"/"+source, s, now)
			}
		}
	}
}

// update adds what a source has counted since its last snapshot. Of its first one the
// canary's counts are all of the trial, and those of the version that is served began
// long before: a canary that fails at once has its breaker open, and gets hardly any
// query more, before it is seen here.
func (t *trial) update(source string, s tally.Snapshot, now time.Time) {
	_, known := t.tracker.Sources[source]
	more := t.tracker.Advance(source, s, now).Tallies
	first := !known && more == nil
	if first {
		more = s.Tallies
	}
	for _, c := range more {
		if c.Model == t.canary || c.Model == t.served && !first {
			t.counted[c.Model] = t.counted[c.Model].Merge(c)
		}
	}
}

// sample is what is known of one version of a trial.
func (w *Watcher) sample(ctx context.Context, t *trial, version string) rollout.Sample {
	c := t.counted[version]
	s := rollout.Sample{Answered: c.Answered, Faults: c.Faults, Compute: c.Compute, Latency: c.Latency, CostUSD: c.CostUSD, CostSquares: c.CostSquares}
	if m, ok := w.Models.Current().Model(version); ok {
		s.Right, s.Wrong = w.Votes(ctx, m).Counted()
	}
	return s
}

// rollBack takes a canary back, unless it is not on trial any more.
func (w *Watcher) rollBack(model string, t *trial, why string) error {
	at := w.Now()
	_, err := w.Models.Change(model, at, func(r profile.Rollout) (profile.Rollout, []string, error) {
		if r.Canary != t.canary {
			return r, nil, fmt.Errorf("version %s is not on trial any more", t.canary)
		}
		return r.Rollback(at, profile.ByRule, why)
	})
	return err
}

// RulesOf are the rules that settings say.
func RulesOf(s settings.Settings) rollout.Rules {
	return rollout.Rules{Confidence: s.CanaryConfidence, MinQueries: s.CanaryMinQueries, ErrorPoints: s.CanaryErrorPoints,
		AccuracyPoints: s.CanaryAccuracyPoints, LatencyFactor: s.CanaryLatencyFactor, CostFactor: s.CanaryCostFactor}
}
