package profile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/signed"
)

// VersionMark stands between a model's name and the number of one of its versions.
// No model is added with it in its name.
const VersionMark = "@"

// VersionName names a version of a model in the catalogue, in queries and in counts:
// the first as the model, the others "model@2" and so on.
func VersionName(model string, number int) string {
	if number <= 1 {
		return model
	}
	return model + VersionMark + strconv.Itoa(number)
}

// ParseVersion splits the name of a version into its model and its number; 1 where
// it has none.
func ParseVersion(name string) (model string, number int) {
	model, after, found := strings.Cut(name, VersionMark)
	n, err := strconv.Atoi(after)
	if !found || err != nil || n < 1 {
		return name, 1
	}
	return model, n
}

// RolloutAction is what is done to the versions of a model.
type RolloutAction string

// The actions on versions.
const (
	VersionAdded      RolloutAction = "added"
	CanaryShare       RolloutAction = "canary"   // a version gets a share of the queries
	VersionInShadow   RolloutAction = "shadow"   // it runs on a share of them without answering
	VersionPromoted   RolloutAction = "promote"  // it gets all of them
	VersionRolledBack RolloutAction = "rollback" // it gets none any more
)

// By says who acted.
const (
	ByOperator = "operator"
	ByRule     = "rule" // the automatic rollback
)

// RolloutEvent is one action, as it is kept.
type RolloutEvent struct {
	At      time.Time     `json:"at"`
	Action  RolloutAction `json:"action"`
	Version string        `json:"version"`
	Share   float64       `json:"share,omitempty"` // of a canary or in shadow, 0 to 1
	By      string        `json:"by"`
	Why     string        `json:"why,omitempty"` // of a rollback by the rule: the test that failed, with its figures
}

// Rollout says which versions of a model answer its queries. A model of which there
// was only ever one version has none.
type Rollout struct {
	Model  string `json:"model"`
	Served string `json:"served"`
	// Previous was served before, and is again after a rollback; empty without one.
	Previous string `json:"previous,omitempty"`
	// Canary is the version on trial; empty without one.
	Canary string `json:"canary,omitempty"`
	// Share of the model's queries that the canary answers, 0 to 1.
	Share float64 `json:"share,omitempty"`
	// Shadow has the canary run on its share of the queries, where a worker has room,
	// after the version that is served has answered them: it answers none of them.
	Shadow bool `json:"shadow,omitempty"`
	// CanarySince is when the canary got its share: it is judged by what came since.
	CanarySince time.Time `json:"canary_since,omitzero"`
	Newest      int       `json:"newest"` // number of the version that was added last
	// History holds the last actions, the oldest first.
	History []RolloutEvent `json:"history,omitempty"`
}

// historyKept bounds the actions that a rollout keeps.
const historyKept = 50

func (r Rollout) with(e RolloutEvent) Rollout {
	r.History = append(slices.Clone(r.History), e)
	r.History = r.History[max(0, len(r.History)-historyKept):]
	return r
}

// Add returns the rollout with a new version, which gets a share of the queries: 0
// keeps it aside, 1 promotes it. A canary that was there is rolled back. withdrawn
// are the versions that answer no query any more.
func (r Rollout) Add(share float64, at time.Time) (out Rollout, withdrawn []string) {
	out = r
	if r.Canary != "" {
		out, withdrawn, _ = r.Rollback(at, ByOperator, "a newer version was added")
	}
	out.Newest++
	out.Canary = VersionName(r.Model, out.Newest)
	out = out.with(RolloutEvent{At: at, Action: VersionAdded, Version: out.Canary, By: ByOperator})
	if share >= 1 {
		promoted, more, _ := out.Promote(at)
		return promoted, append(withdrawn, more...)
	}
	if share > 0 {
		out, _ = out.Trial(CanaryShare, share, at)
	}
	return out, withdrawn
}

// Trial returns the rollout with another share for its canary, which answers those
// queries (CanaryShare), or runs in addition (VersionInShadow).
func (r Rollout) Trial(how RolloutAction, share float64, at time.Time) (Rollout, error) {
	if r.Canary == "" {
		return r, fmt.Errorf("model %s has no version on trial; `paragon model add` adds one", r.Model)
	}
	if !(share >= 0 && share < 1) {
		return r, fmt.Errorf("share is %v, and must be 0 to below 1; `paragon model promote` gives the version all queries", share)
	}
	r.Share, r.Shadow, r.CanarySince = share, how == VersionInShadow, at
	return r.with(RolloutEvent{At: at, Action: how, Version: r.Canary, Share: share, By: ByOperator}), nil
}

// Promote returns the rollout with the canary as what is served. withdrawn are the
// versions that no rollback leads to any more.
func (r Rollout) Promote(at time.Time) (out Rollout, withdrawn []string, err error) {
	if r.Canary == "" {
		return r, nil, fmt.Errorf("model %s has no version on trial; `paragon model add` adds one", r.Model)
	}
	if r.Previous != "" {
		withdrawn = append(withdrawn, r.Previous)
	}
	r.Previous, r.Served = r.Served, r.Canary
	r = r.untried()
	return r.with(RolloutEvent{At: at, Action: VersionPromoted, Version: r.Served, By: ByOperator}), withdrawn, nil
}

// Rollback returns the rollout without its canary, or, where there is none, with the
// version that was served before.
func (r Rollout) Rollback(at time.Time, by, why string) (out Rollout, withdrawn []string, err error) {
	bad := r.Canary
	switch {
	case r.Canary != "":
		r = r.untried()
	case r.Previous != "":
		bad, r.Served, r.Previous = r.Served, r.Previous, ""
	default:
		return r, nil, fmt.Errorf("model %s has no version before %s to which it can be rolled back", r.Model, r.Served)
	}
	return r.with(RolloutEvent{At: at, Action: VersionRolledBack, Version: bad, By: by, Why: why}), []string{bad}, nil
}

// untried is the rollout without a version on trial.
func (r Rollout) untried() Rollout {
	r.Canary, r.Share, r.Shadow, r.CanarySince = "", 0, false, time.Time{}
	return r
}

// InShadow returns the version that runs in addition to another for the query of an id; empty
// where none does.
func (c *Catalogue) InShadow(version, id string) string {
	if r, ok := c.Rollout(version); ok && r.Shadow && r.Served == version && signed.Drawn(id, r.Canary, r.Share) {
		return r.Canary
	}
	return ""
}

// Rollout returns the versions of a model, by its name or that of a version; false of
// a model that has one version.
func (c *Catalogue) Rollout(name string) (Rollout, bool) {
	if len(c.Rollouts) == 0 {
		return Rollout{}, false
	}
	model, _ := ParseVersion(name)
	for _, r := range c.Rollouts {
		if r.Model == model {
			return r, true
		}
	}
	return Rollout{}, false
}

// Version returns the name of the version that a caller's name stands for: a model's
// stands for what is served of it, and that of a version ("net@1") for itself.
func (c *Catalogue) Version(name string) string {
	model, number := ParseVersion(name)
	if r, ok := c.Rollout(name); ok && name == model {
		return r.Served
	}
	return VersionName(model, number)
}

// ServedInstead returns the version that answers where the named one cannot: what is
// served of its model. It is false of a version that is served itself.
func (c *Catalogue) ServedInstead(version string) (string, bool) {
	r, ok := c.Rollout(version)
	return r.Served, ok && r.Served != version
}

// withTrials is a copy of the catalogue in which the versions on trial are offered in
// place of what is served of their models.
func (c *Catalogue) withTrials() *Catalogue {
	out := *c
	out.Rollouts = slices.Clone(c.Rollouts)
	for i, r := range out.Rollouts {
		if r.Canary != "" {
			out.Rollouts[i].Served = r.Canary
		}
	}
	return &out
}

// OnTrial is Offered with the versions on trial in place of what is served of their
// models; nil when there is none.
func (c *Catalogue) OnTrial() *Catalogue {
	if !slices.ContainsFunc(c.Rollouts, func(r Rollout) bool { return r.Canary != "" }) {
		return nil
	}
	return c.withTrials().Offered()
}

// validateRollouts wants versions that are there.
func (c *Catalogue) validateRollouts(f *faults) {
	seen := map[string]bool{}
	for _, r := range c.Rollouts {
		what := "versions of model " + r.Model
		f.check(!seen[r.Model], what, "model", "is in the list more than once")
		seen[r.Model] = true
		for field, version := range map[string]string{"served": r.Served, "previous": r.Previous, "canary": r.Canary} {
			if version == "" && field != "served" {
				continue
			}
			m, ok := c.Model(version)
			of, _ := ParseVersion(version)
			f.check(ok && of == r.Model && m.RetiredAt == "", what, field, fmt.Sprintf("%q is not a version of this model that can be run", version))
		}
		f.check(r.Share >= 0 && r.Share < 1, what, "share", "must be 0 to below 1")
	}
}
