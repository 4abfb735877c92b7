package intake

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// choices keeps what queries may be given to ready for choosing, for as long as
// the catalogue stays the same.
type choices struct {
	making sync.Mutex // held while it is made anew
	made   atomic.Pointer[prepared]
}

// prepared is what queries may be given to.
type prepared struct {
	source    *profile.Catalogue
	view      map[string]string  // models that the last view withholds: why, by name
	from      *profile.Catalogue // source, less what is withheld
	catalogue *profile.Catalogue // without what is retired or cannot be run
	tables    map[string]*selection.Table
	// onTrial is the same with the versions on trial instead of those that are served;
	// nil where there is none.
	onTrial     *profile.Catalogue
	trialTables map[string]*selection.Table
}

// prepared returns what queries may be given to at this moment.
func (s *Service) prepared() *prepared {
	now, view := s.Catalogue.Current(), s.fleet.withheld()
	if o := s.choices.made.Load(); o.isOf(now, view) {
		return o
	}
	s.choices.making.Lock()
	defer s.choices.making.Unlock()
	if o := s.choices.made.Load(); o.isOf(now, view) {
		return o
	}
	from := now.Without(view)
	o := &prepared{source: now, view: view, from: from, catalogue: from.Offered(), onTrial: from.OnTrial()}
	o.tables = s.tables(o.catalogue)
	if o.onTrial != nil {
		o.trialTables = s.tables(o.onTrial)
	}
	s.choices.made.Store(o)
	return o
}

// isOf reports whether what is prepared is of a catalogue and of what a view withholds.
func (o *prepared) isOf(c *profile.Catalogue, view map[string]string) bool {
	return o != nil && o.source == c && maps.Equal(o.view, view)
}

// tables prepares a catalogue for each pool.
func (s *Service) tables(c *profile.Catalogue) map[string]*selection.Table {
	out := make(map[string]*selection.Table, len(s.Pools))
	for _, p := range s.Pools {
		out[p.Name] = selection.NewTable(c, s.Arch, p.InstanceType)
	}
	return out
}

// catalogue is the one that queries are chosen by at this moment.
func (s *Service) catalogue() *profile.Catalogue { return s.prepared().catalogue }

// renew has the catalogue read anew, because something is asked for that is not in
// the one given: it may have been added this moment. It says whether it is another
// now, be it by another reader.
func (s *Service) renew(searched *profile.Catalogue) bool {
	if s.Catalogue.Current() != searched {
		return true
	}
	if err := profile.Refresh(s.Catalogue); err != nil {
		s.Log.Warn("could not read the catalogue again; the last one stays in use", "error", err)
	}
	return s.Catalogue.Current() != searched
}
