package modelstore

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// AddVersion puts another build of a model that is served into the catalogue, with a
// draft as its file, and gives it a share of the model's queries: 0 keeps it aside, 1
// has it answer all of them. It returns the version's name.
func (s *Store) AddVersion(d Draft, a Addition, share float64, at time.Time) (version string, err error) {
	err = s.retried(func() (err error) {
		version, err = s.versioned(d, a, share, at)
		return err
	})
	return version, err
}

// versioned is AddVersion for who holds the lock.
func (s *Store) versioned(d Draft, a Addition, share float64, at time.Time) (version string, err error) {
	served, ok := s.Current().Model(s.Current().Version(a.Model.Name))
	if !ok || served.RetiredAt != "" {
		return "", fmt.Errorf("model %.64q: %w", a.Model.Name, ErrNotAdded)
	}
	before, ok := s.Current().Rollout(served.Name)
	if !ok {
		before = profile.Rollout{Model: served.Name, Served: served.Name, Newest: newest(s.Current(), served.Name)}
	}
	after, withdrawn := before.Add(share, at)
	a.Model.Name = profile.VersionName(after.Model, after.Newest)
	next := s.copied()
	next.put(after)
	next.retire(at, withdrawn...)
	return a.Model.Name, s.keep(d, a, next)
}

// Change puts another state of a model's versions in force, as change makes it of the
// one that is. withdrawn are the versions that answer no query any more. ErrNotAdded of
// a model with one version.
func (s *Store) Change(model string, at time.Time, change func(profile.Rollout) (after profile.Rollout, withdrawn []string, err error)) (r profile.Rollout, err error) {
	err = s.retried(func() (err error) {
		r, err = s.change(model, at, change)
		return err
	})
	return r, err
}

// change is Change for who holds the lock.
func (s *Store) change(model string, at time.Time, change func(profile.Rollout) (after profile.Rollout, withdrawn []string, err error)) (profile.Rollout, error) {
	before, ok := s.Current().Rollout(model)
	if !ok {
		return before, fmt.Errorf("versions of model %.64q: %w", model, ErrNotAdded)
	}
	after, withdrawn, err := change(before)
	if err != nil {
		return before, err
	}
	if why := s.added.Withheld[before.Canary]; why != "" && (after.Served == before.Canary || after.Canary == before.Canary && after.Share > 0) {
		return before, fmt.Errorf("version %s gets no query: %s", before.Canary, why)
	}
	next := s.copied()
	next.put(after)
	next.retire(at, withdrawn...)
	return after, s.write(next.Added)
}

// newest is the highest number of a version of a model, retired ones included.
func newest(c *profile.Catalogue, model string) int {
	most := 1
	for _, m := range c.Models {
		if of, number := profile.ParseVersion(m.Name); of == model {
			most = max(most, number)
		}
	}
	return most
}

// changed is what the folder is to hold.
type changed struct{ profile.Added }

// copied is what the folder holds, to be changed, for who holds the lock.
func (s *Store) copied() changed {
	return changed{profile.Added{Tasks: slices.Clone(s.added.Tasks), Models: slices.Clone(s.added.Models), Rollouts: slices.Clone(s.added.Rollouts), Withheld: s.added.Withheld}}
}

// withhold says why a model is not offered; with an empty reason it is.
func (c *changed) withhold(model, why string) {
	c.Withheld = maps.Clone(c.Withheld)
	delete(c.Withheld, model)
	if why == "" {
		return
	}
	if c.Withheld == nil {
		c.Withheld = map[string]string{}
	}
	c.Withheld[model] = why
}

// put sets the versions of a model.
func (c *changed) put(r profile.Rollout) {
	c.Rollouts = slices.DeleteFunc(c.Rollouts, func(o profile.Rollout) bool { return o.Model == r.Model })
	c.Rollouts = append(c.Rollouts, r)
}

// retire retires models by name. One that came with the catalogue stays, aside.
func (c *changed) retire(at time.Time, names ...string) {
	for i, m := range c.Models {
		if m.RetiredAt == "" && slices.Contains(names, m.Name) {
			c.Models[i].RetiredAt = at.UTC().Format(time.RFC3339)
			c.withhold(m.Name, "")
		}
	}
}
