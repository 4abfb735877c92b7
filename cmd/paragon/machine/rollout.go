package machine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/canary"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
)

// rolloutSuffix ends the path at which the versions of a model are changed.
const rolloutSuffix = "/rollout"

// change does what an operator wants with the versions of a model.
func (d *modelHandler) change(path string, r *http.Request) (out profile.Rollout, err error) {
	name := strings.TrimSuffix(path, rolloutSuffix)
	var o api.RolloutOrder
	in := json.NewDecoder(io.LimitReader(r.Body, 1<<16))
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil {
		return out, unusable(http.StatusBadRequest, "", "the body does not describe a rollout: %v", err)
	}
	act, err := ActionOf(o, time.Now())
	if err != nil {
		return out, err
	}
	out, err = d.m.store.Change(name, time.Now(), act)
	switch {
	case errors.Is(err, modelstore.ErrNotAdded) && !served(d.m.store.Current(), name):
		return out, unusable(http.StatusNotFound, "name", "there is no model %.64q; `paragon models` lists the models", name)
	case errors.Is(err, modelstore.ErrNotAdded):
		return out, unusable(http.StatusNotFound, "name", "%.64q has no other version; `paragon model add FILE --name %.64s` adds one", name, name)
	case err != nil:
		return out, unusable(http.StatusConflict, string(o.Action), "%v", err)
	}
	return out, nil
}

// served says whether a catalogue has a model of a name.
func served(c *profile.Catalogue, name string) bool {
	_, ok := c.Model(name)
	return ok
}

// ActionOf is what an order does to the versions of a model.
func ActionOf(o api.RolloutOrder, at time.Time) (func(profile.Rollout) (profile.Rollout, []string, error), error) {
	switch o.Action {
	case profile.CanaryShare, profile.VersionInShadow:
		if !(o.Share >= 0 && o.Share < 1) {
			return nil, unusable(http.StatusUnprocessableEntity, "share", "%v is not within 0 to below 1 (0.05 is 5 %%)", o.Share)
		}
		return func(r profile.Rollout) (profile.Rollout, []string, error) {
			after, err := r.Trial(o.Action, o.Share, at)
			return after, nil, err
		}, nil
	case profile.VersionPromoted:
		return func(r profile.Rollout) (profile.Rollout, []string, error) { return r.Promote(at) }, nil
	case profile.VersionRolledBack:
		return func(r profile.Rollout) (profile.Rollout, []string, error) {
			return r.Rollback(at, profile.ByOperator, "")
		}, nil
	}
	return nil, unusable(http.StatusUnprocessableEntity, "action", "%.64q is not canary, shadow, promote or rollback", o.Action)
}

// checkVersion finds out whether a name that is in use may get another version.
func checkVersion(c *profile.Catalogue, o api.ModelOrder) error {
	had, ok := c.Model(c.Version(o.Name))
	if !ok || had.RetiredAt != "" {
		return nil
	}
	if had.Task != o.Task {
		return unusable(http.StatusConflict, "name", "there is already a model %q of another task, %s: a new version must be of the same task; give this file another name with --name", o.Name, had.Task)
	}
	for _, m := range c.Models {
		if of, number := profile.ParseVersion(m.Name); of == o.Name && m.SHA256 == o.SHA256 && m.RetiredAt == "" {
			return unusable(http.StatusConflict, "name", "this file is version %d of model %s already", number, o.Name)
		}
	}
	return nil
}

// put puts a model that was found to be good into the catalogue: as a new version where
// its name is served, which gets its share of the queries. It returns the name that it
// has there.
func (d *modelHandler) put(o api.ModelOrder, draft modelstore.Draft, made modelstore.Addition) (name string, err error) {
	c := d.m.store.Current()
	if had, ok := c.Model(c.Version(o.Name)); !ok || had.RetiredAt != "" {
		return o.Name, d.m.store.Add(draft, made)
	}
	share := d.m.settings.Current().CanaryShare
	if o.Share != nil {
		share = *o.Share
	}
	return d.m.store.AddVersion(draft, made, share, time.Now())
}

// believer knows what callers' votes say of a model.
type believer interface {
	Posterior(ctx context.Context, m *profile.Model) feedback.Posterior
}

// canaries holds new versions to the rule, and rolls those back that are worse.
func (m *Machine) canaries(votes believer) *canary.Watcher {
	return canary.New(canary.Options{
		Models: m.store, Fleet: m.backend.Fleet, Pools: []string{Pool, platform.FunctionsPool}, Votes: votes.Posterior,
		Settings: m.settings.Current, Now: time.Now, Log: m.log,
	})
}
