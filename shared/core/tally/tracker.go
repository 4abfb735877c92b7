package tally

import (
	"maps"
	"slices"
	"time"
)

const (
	// sourceKept is how long a source is remembered that says nothing more.
	sourceKept = time.Hour
	// startSlack is by how much the clocks of a source and of the tracker may
	// differ; what a source counted in that time before the tracker began is
	// recent anyway.
	startSlack = time.Minute
)

// Tracker turns the cumulative snapshots of many sources into what each has
// counted since its snapshot before. A source that starts again begins at zero,
// and one that goes away takes nothing with it. It is not safe for concurrent
// use. The zero value has begun at the beginning of time: use NewTracker.
type Tracker struct {
	Start   time.Time         `json:"start"` // sources that began earlier start from their first snapshot
	Sources map[string]source `json:"sources,omitempty"`
}

// Growth is what a source has counted between two of its snapshots.
type Growth struct {
	Tallies []Tally
	Owners  []OwnerTally
}

type source struct {
	Last       Snapshot  `json:"last"`
	ReportedAt time.Time `json:"seen_at"`
}

// NewTracker returns a tracker that begins now.
func NewTracker(now time.Time) Tracker { return Tracker{Start: now, Sources: map[string]source{}} }

// Advance takes a source's snapshot and returns what was counted since its last
// one. Of a source that was there before the tracker began, or that was
// forgotten meanwhile, the first snapshot is where it starts from: when it
// counted what it holds is not known. A snapshot that is not newer than the last
// one, or that of an earlier process of that name, says nothing.
func (t *Tracker) Advance(name string, s Snapshot, now time.Time) Growth {
	last, known := t.Sources[name]
	if known && (s.Since.Before(last.Last.Since) || s.Since.Equal(last.Last.Since) && !s.At.After(last.Last.At)) {
		return Growth{}
	}
	if t.Sources == nil {
		t.Sources = map[string]source{}
	}
	t.Sources[name] = source{Last: s, ReportedAt: now}
	if !known || !s.Since.Equal(last.Last.Since) {
		if s.Since.Before(t.Start.Add(-startSlack)) || now.Sub(s.Since) > sourceKept && !known {
			return Growth{}
		}
		return Growth{s.Tallies, s.Owners}
	}
	return Growth{since(last.Last.Tallies, s.Tallies), ownersSince(last.Last.Owners, s.Owners)}
}

// since returns what tallies have more than before.
func since(before, now []Tally) []Tally {
	had := make(map[Key]Tally, len(before))
	for _, t := range before {
		had[t.Key] = t
	}
	var out []Tally
	for _, t := range now {
		if more := t.Minus(had[t.Key]); !more.Empty() {
			out = append(out, more)
		}
	}
	return out
}

// Forget drops the sources that have said nothing for an hour.
func (t *Tracker) Forget(now time.Time) {
	maps.DeleteFunc(t.Sources, func(_ string, s source) bool { return now.Sub(s.ReportedAt) > sourceKept })
}

// Window sums what was counted in the last time, by slots of equal length. It
// is not safe for concurrent use.
type Window struct {
	slot  time.Duration
	slots int
	kept  []slot // oldest first
}

// slot is what was counted from a moment on.
type slot struct {
	From    time.Time `json:"from"`
	Tallies []Tally   `json:"tallies"`
}

// newWindow returns a window of the given number of slots.
func newWindow(slot time.Duration, slots int) Window { return Window{slot: slot, slots: slots} }

// Add counts tallies at a moment.
func (w *Window) Add(at time.Time, ts []Tally) {
	if len(ts) == 0 {
		return
	}
	from := at.Truncate(w.slot)
	i, found := slices.BinarySearchFunc(w.kept, from, func(s slot, from time.Time) int { return s.From.Compare(from) })
	if !found {
		w.kept = slices.Insert(w.kept, i, slot{From: from})
	}
	w.kept[i].Tallies = Group(slices.Concat(w.kept[i].Tallies, ts), Whole)
}

// Sum returns what was counted in the slots of the window's length until now,
// the unfinished one included, in the order of keys, and drops older ones.
func (w *Window) Sum(now time.Time) []Tally {
	first := now.Add(-time.Duration(w.slots) * w.slot).Truncate(w.slot)
	w.kept = slices.DeleteFunc(w.kept, func(s slot) bool { return s.From.Before(first) })
	var all []Tally
	for _, s := range w.kept {
		all = append(all, s.Tallies...)
	}
	return Group(all, Whole)
}
