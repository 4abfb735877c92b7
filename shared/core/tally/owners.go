package tally

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// OwnerKey is whose queries of which task were counted. The empty owner stands for
// all owners that are not counted by themselves.
type OwnerKey struct {
	Owner string `json:"owner,omitempty"`
	Task  string `json:"task,omitempty"`
}

// Compare orders keys by owner and task.
func (k OwnerKey) Compare(o OwnerKey) int {
	return cmp.Or(cmp.Compare(k.Owner, o.Owner), cmp.Compare(k.Task, o.Task))
}

// OwnerTally is what became of the queries of an owner and a task.
type OwnerTally struct {
	OwnerKey
	Counts
}

const (
	// MaxOwners is how many pairs of an owner and a task a book counts by
	// themselves. The queries of further ones are counted together, by task.
	MaxOwners = 256
	// ownerIdle is after how long without a query a pair is forgotten, so that
	// owners who ask once do not keep others out for ever. Readers have taken its
	// counts long before.
	ownerIdle = time.Hour
)

// owners counts queries by owner and task. It is safe for concurrent use.
type owners struct {
	mu    sync.Mutex // guards what follows
	pages map[OwnerKey]*ownerPage
}

type ownerPage struct {
	counts  Counts
	changed bool // since the last snapshot
	idleAt  time.Time
}

// count adds to the counts of an owner and a task; nothing for no owner.
func (o *owners) count(k OwnerKey, c Counts) {
	if k.Owner == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pages[k]
	if p == nil {
		p = o.add(k)
	}
	p.counts = p.counts.Add(c)
	p.changed = true
}

// add makes the page of a key, or returns that of the rest.
func (o *owners) add(k OwnerKey) *ownerPage {
	if o.pages == nil {
		o.pages = map[OwnerKey]*ownerPage{}
	}
	if len(o.pages) >= MaxOwners {
		k.Owner = ""
	}
	if len(o.pages) >= 2*MaxOwners { // of as many tasks
		k.Task = ""
	}
	if p := o.pages[k]; p != nil {
		return p
	}
	p := new(ownerPage)
	o.pages[k] = p
	return p
}

// snapshot returns what was counted in the order of keys, and forgets those that had
// no query for an hour.
func (o *owners) snapshot(now time.Time) []OwnerTally {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []OwnerTally
	for k, p := range o.pages {
		switch {
		case p.changed:
			p.changed, p.idleAt = false, now
		case now.Sub(p.idleAt) > ownerIdle:
			delete(o.pages, k)
			continue
		}
		out = append(out, OwnerTally{k, p.counts})
	}
	slices.SortFunc(out, func(a, b OwnerTally) int { return a.OwnerKey.Compare(b.OwnerKey) })
	return out
}

// ownersSince returns what owners have more than before. A pair that was forgotten
// begins anew.
func ownersSince(before, now []OwnerTally) []OwnerTally {
	had := make(map[OwnerKey]Counts, len(before))
	for _, t := range before {
		had[t.OwnerKey] = t.Counts
	}
	var out []OwnerTally
	for _, t := range now {
		if t.Counts = t.Counts.minus(had[t.OwnerKey]); t.Counts != (Counts{}) {
			out = append(out, t)
		}
	}
	return out
}

// TopOwners merges tallies of the same key and keeps the given number of them at most: those with
// the most queries, and the others as those of no owner, by task. They are in the
// order of their keys.
func TopOwners(ts []OwnerTally, most int) []OwnerTally {
	sums := map[OwnerKey]Counts{}
	for _, t := range ts {
		sums[t.OwnerKey] = sums[t.OwnerKey].Add(t.Counts)
	}
	ranked := make([]OwnerTally, 0, len(sums))
	for k, c := range sums {
		ranked = append(ranked, OwnerTally{k, c})
	}
	slices.SortFunc(ranked, func(a, b OwnerTally) int {
		return cmp.Or(cmp.Compare(b.Queries(), a.Queries()), a.OwnerKey.Compare(b.OwnerKey))
	})
	rest, out := map[string]Counts{}, ranked[:0]
	for _, t := range ranked {
		if len(out) >= most || t.Owner == "" {
			rest[t.Task] = rest[t.Task].Add(t.Counts)
			continue
		}
		out = append(out, t)
	}
	for task, c := range rest {
		out = append(out, OwnerTally{OwnerKey{Task: task}, c})
	}
	slices.SortFunc(out, func(a, b OwnerTally) int { return a.OwnerKey.Compare(b.OwnerKey) })
	return out
}

// Queries is how many queries were counted: those that ended, and those turned away.
func (t OwnerTally) Queries() int64 { return t.Ended() + t.BadInput + t.Cancelled + t.Refused }
