package profile

import "maps"

// CatalogueSource gives the catalogue in force, which may be another one later: models
// are added and retired while queries are answered. Each catalogue that it gave
// stays as it was. A Catalogue is the source of itself.
type CatalogueSource interface {
	Current() *Catalogue
}

// Current implements CatalogueSource for a catalogue that never changes.
func (c *Catalogue) Current() *Catalogue { return c }

// Offered is the catalogue without what no query may be given to: models of
// which only figures are known, retired and withheld ones, and versions other than the one
// that is served. Tasks that a retired model
// alone answers are left out with it.
func (c *Catalogue) Offered() *Catalogue {
	out := *c
	out.Models, out.Tasks = nil, nil
	served, retired := map[string]bool{}, map[string]bool{}
	for _, m := range c.Models {
		if m.RetiredAt != "" {
			retired[m.Task] = true
		} else if _, aside := c.ServedInstead(m.Name); m.Runnable() && !aside && c.Withheld[m.Name] == "" {
			out.Models = append(out.Models, m)
			served[m.Task] = true
		}
	}
	for _, t := range c.Tasks {
		if served[t.Name] || !retired[t.Name] {
			out.Tasks = append(out.Tasks, t)
		}
	}
	return &out
}

// Without is the catalogue with more models withheld: why, by name.
func (c *Catalogue) Without(models map[string]string) *Catalogue {
	if len(models) == 0 {
		return c
	}
	out := *c
	out.Withheld = maps.Clone(models)
	maps.Copy(out.Withheld, c.Withheld)
	return &out
}

// Added is what a stage was given in addition to the catalogue that it came with.
type Added struct {
	Tasks  []Task  `json:"tasks"`
	Models []Model `json:"models"`
	// Rollouts are the versions of the models that have several, those of the catalogue
	// that it came with included.
	Rollouts []Rollout `json:"rollouts,omitempty"`
	// Withheld are models, added or not, that are not offered: why not, by name.
	Withheld map[string]string `json:"withheld,omitempty"`
}

// With returns the catalogue with what was added, validated as a whole.
func (c *Catalogue) With(a Added) (*Catalogue, error) {
	out := *c
	out.Tasks = append(append([]Task(nil), c.Tasks...), a.Tasks...)
	out.Models = append(append([]Model(nil), c.Models...), a.Models...)
	out.Rollouts, out.Withheld = a.Rollouts, a.Withheld
	out.added = make(map[string]bool, len(a.Models))
	for _, m := range a.Models {
		out.added[m.Name] = true
	}
	return &out, out.Validate()
}

// Refresh has a source look at once whether the catalogue has changed, where it
// is one that follows changes: what is asked for and not known may have just been
// added. An error leaves the catalogue in force as it was.
func Refresh(s CatalogueSource) error {
	if r, ok := s.(interface{ Refresh() error }); ok {
		return r.Refresh()
	}
	return nil
}

// Version is the version of what a source has read; empty for one that never changes.
func Version(s CatalogueSource) string {
	if v, ok := s.(interface{ Version() string }); ok {
		return v.Version()
	}
	return ""
}

// RefreshTo has a source read its catalogue anew if the version is another than the one
// that it has read. From the first call on it asks for itself seldom: others read the
// catalogue and pass its version on. An error leaves the catalogue in force as it was.
func RefreshTo(s CatalogueSource, version string) error {
	if r, ok := s.(interface{ RefreshTo(string) error }); ok {
		return r.RefreshTo(version)
	}
	return nil
}

// Reread has a source read the catalogue at once, however fresh the last one is: for who
// is asked, by one that knows more, for what is not in it. An error leaves the catalogue
// in force as it was.
func Reread(s CatalogueSource) error {
	if r, ok := s.(interface{ Reread() error }); ok {
		return r.Reread()
	}
	return nil
}

// Settle waits until a source that is read behind its callers has done so: before the end
// of a request in a process that may be frozen then.
func Settle(s CatalogueSource) {
	if r, ok := s.(interface{ Settle() }); ok {
		r.Settle()
	}
}
