// Package canary holds new versions of models to the rule of package rollout: it counts
// what each version on trial and the one that is served did since the trial
// began, and has a version rolled back that is worse.
package canary

import (
	"context"
	"encoding/json"
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

// Memory keeps the trials for the process that judges next.
type Memory interface {
	// Load returns what was saved last; nil when nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save puts it over what was loaded or saved last here, and fails where another
	// process has saved since.
	Save(ctx context.Context, trials []byte) error
}

// Options are what a Watcher is made of. All but Memory must be set.
type Options struct {
	Models Models
	Fleet  Fleet
	Pools  []string // of Fleet, that of functions included
	// Votes are what callers' opinions say of a version, as far as they count.
	Votes    func(ctx context.Context, m *profile.Model) feedback.Posterior
	Settings func() settings.Settings // in force now
	Memory   Memory                   // nil keeps the trials in this process alone
	Now      func() time.Time
	Log      *slog.Logger
}

// Watcher judges the versions on trial. It is not safe for concurrent use.
type Watcher struct {
	Options
	trials  map[string]*trial // by model; nil before those of an earlier process were read
	savedAt time.Time
}

// New makes a watcher, which knows of no trial yet.
func New(o Options) *Watcher { return &Watcher{Options: o} }

// trial is what was counted of a canary, and meanwhile of the version that is served.
type trial struct {
	Canary  string                 `json:"canary"`
	SHA256  string                 `json:"sha256"` // of the canary's file: a name may come again
	Served  string                 `json:"served"`
	Shadow  bool                   `json:"shadow,omitempty"` // the canary answers nothing
	Tracker tally.Tracker          `json:"tracker"`
	Counted map[string]tally.Tally `json:"counted"` // by version
}

const (
	// every is how often the versions on trial are judged.
	every = time.Second
	// savedEvery is how often the trials are saved. Who goes on from them loses nothing:
	// counts are cumulative, and what came since is in them.
	savedEvery = time.Minute
)

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
	onTrial := w.onTrial()
	if len(onTrial) == 0 {
		w.trials = nil
		return
	}
	if err := w.begin(ctx, onTrial); err != nil {
		w.Log.Warn("could not read the counts of the versions on trial", "error", err)
		return
	}
	w.count(ctx)
	w.judge(ctx)
	if err := w.save(ctx); err != nil {
		w.trials = nil
		w.Log.Warn("could not store the counts of the versions on trial", "error", err)
	}
}

// judge rolls back what is worse by what was counted.
func (w *Watcher) judge(ctx context.Context) {
	set := w.Settings()
	if set.CanaryRollback != settings.On {
		return
	}
	for model, t := range w.trials {
		canary, served := w.samples(ctx, t)
		v := rollout.Judge(canary, served, RulesOf(set))
		if !v.RollBack {
			continue
		}
		if err := w.rollBack(model, t, v.Why); err != nil {
			w.Log.Error("could not roll back a version that is worse than the served version", "version", t.Canary, "why", v.Why, "error", err)
			continue
		}
		delete(w.trials, model)
		w.Log.Warn("a version was rolled back", "version", t.Canary, "why", v.Why)
	}
}

// onTrial are the versions that have a share of the queries.
func (w *Watcher) onTrial() (out []profile.Rollout) {
	for _, r := range w.Models.Current().Rollouts {
		if r.Canary != "" && r.Share > 0 {
			out = append(out, r)
		}
	}
	return out
}

// Any reports whether a version is on trial.
func (w *Watcher) Any() bool { return len(w.onTrial()) > 0 }

// begin goes on with the trials that are known, and begins those that are not.
func (w *Watcher) begin(ctx context.Context, onTrial []profile.Rollout) error {
	before := w.trials
	if before == nil && w.Memory != nil {
		saved, err := w.Memory.Load(ctx)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(saved, &before); len(saved) > 0 && err != nil {
			w.Log.Warn("could not decode the stored counts of the versions on trial; counting starts again", "error", err)
			before = nil
		}
	}
	w.trials = map[string]*trial{}
	for _, r := range onTrial {
		m, ok := w.Models.Current().Model(r.Canary)
		if !ok {
			continue
		}
		t := before[r.Model]
		if t == nil || t.Canary != r.Canary || t.SHA256 != m.SHA256 || t.Served != r.Served || t.Shadow != r.Shadow {
			t = &trial{r.Canary, m.SHA256, r.Served, r.Shadow, tally.NewTracker(w.Now()), map[string]tally.Tally{}}
		}
		w.trials[r.Model] = t
	}
	return nil
}

// save keeps the trials from time to time for the process that judges next.
func (w *Watcher) save(ctx context.Context) error {
	if w.Memory == nil || w.Now().Sub(w.savedAt) < savedEvery {
		return nil
	}
	raw, err := json.Marshal(w.trials)
	if err != nil {
		return fmt.Errorf("encode the trials: %w", err)
	}
	if err := w.Memory.Save(ctx, raw); err != nil {
		return err
	}
	w.savedAt = w.Now()
	return nil
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
	for _, t := range w.trials {
		t.Tracker.Forget(now)
	}
}

// update adds what a source has counted since its last snapshot. Of its first one the
// canary's counts are all of the trial, and those of the version that is served began
// long before: a canary that fails at once has its breaker open, and gets hardly any
// query more, before it is seen here.
func (t *trial) update(source string, s tally.Snapshot, now time.Time) {
	_, known := t.Tracker.Sources[source]
	s = t.ofVersions(s)
	more := t.Tracker.Advance(source, s, now).Tallies
	first := !known && more == nil
	if first {
		more = s.Tallies
	}
	for _, c := range more {
		if c.Model == t.Canary || !first {
			t.Counted[c.Model] = t.Counted[c.Model].Merge(c)
		}
	}
}

// ofVersions is what a source has counted of the versions, as the rest is not kept.
func (t *trial) ofVersions(s tally.Snapshot) tally.Snapshot {
	out := tally.Snapshot{Since: s.Since, At: s.At}
	for _, c := range s.Tallies {
		if c.Model == t.Canary || c.Model == t.Served {
			out.Tallies = append(out.Tallies, c)
		}
	}
	return out
}

// samples are what is known of both versions of a trial. In shadow they are of the same
// queries: what is served has answered each of those.
func (w *Watcher) samples(ctx context.Context, t *trial) (canary, served rollout.Sample) {
	if !t.Shadow {
		return w.sample(ctx, t, t.Canary), w.sample(ctx, t, t.Served)
	}
	c := t.Counted[t.Canary]
	return rollout.Sample{Answered: max(0, c.Shadowed-c.Faults), Faults: c.Faults, Compute: c.Compute},
		rollout.Sample{Answered: c.Shadowed, Compute: c.Paired}
}

// sample is what is known of one version of a trial.
func (w *Watcher) sample(ctx context.Context, t *trial, version string) rollout.Sample {
	c := t.Counted[version]
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
		if r.Canary != t.Canary {
			return r, nil, fmt.Errorf("version %s is no longer on trial", t.Canary)
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
