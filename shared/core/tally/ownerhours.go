package tally

import (
	"sync"
	"time"
)

const (
	// OwnersEvery is the least between two stores of a process's counts by owner.
	OwnersEvery = 15 * time.Minute
	// HourOwners bounds the owners and tasks that are kept of an hour.
	HourOwners = 200
)

// OwnerHour is what a process counted by owner and task in one clock hour.
type OwnerHour struct {
	At     time.Time    `json:"at"` // start of the hour
	Owners []OwnerTally `json:"owners"`
}

func (h OwnerHour) queries() (n int64) {
	for _, t := range h.Owners {
		n += t.Queries()
	}
	return n
}

// OwnerHours turns the snapshots of one process into what it counted by owner in each
// clock hour, to be stored a few times an hour. It is safe for concurrent use.
type OwnerHours struct {
	mu       sync.Mutex   // guards what follows, and is held while an hour is stored
	last     []OwnerTally // of the last snapshot
	hour     OwnerHour
	stored   int64 // queries of the hour that are stored
	storedAt time.Time
}

// Add counts what a snapshot has more than the last one, in the hour in which it was
// taken, and stores that hour in place of what was stored of it before: the first
// time, every OwnersEvery when there is more, when the hour is over, and when the
// process ends. What could not be stored is stored by a later Add.
func (o *OwnerHours) Add(s Snapshot, ends bool, store func(OwnerHour) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at := s.At.Truncate(time.Hour); !at.Equal(o.hour.At) {
		if err := o.put(s.At, store); err != nil {
			return err
		}
		o.hour, o.stored, o.storedAt = OwnerHour{At: at}, 0, time.Time{}
	}
	more := ownersSince(o.last, s.Owners)
	o.last = s.Owners
	o.hour.Owners = TopOwners(append(more, o.hour.Owners...), HourOwners)
	if ends || s.At.Sub(o.storedAt) >= OwnersEvery {
		return o.put(s.At, store)
	}
	return nil
}

// put stores the hour, if there is more of it than is stored.
func (o *OwnerHours) put(now time.Time, store func(OwnerHour) error) error {
	n := o.hour.queries()
	if n == o.stored {
		return nil
	}
	if err := store(o.hour); err != nil {
		return err
	}
	o.stored, o.storedAt = n, now
	return nil
}
