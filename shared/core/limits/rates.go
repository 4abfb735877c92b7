package limits

import (
	"sync"
	"time"
)

// Rates bounds how often each owner may ask this process: a token bucket each,
// of one second's tokens and of one at least. It is the generic cell rate
// algorithm (ITU-T I.371): all that is kept of an owner is one time. The zero
// value is ready and knows of nobody. It is safe for concurrent use.
type Rates struct {
	mu      sync.Mutex
	next    map[string]time.Time // when an owner's bucket is full again
	pruneAt int
}

// Take takes one token of an owner at a rate a second. Without one it returns
// after which time there is one.
func (r *Rates) Take(now time.Time, owner string, perSecond float64) (wait time.Duration, ok bool) {
	each := time.Duration(float64(time.Second) / perSecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.next[owner]
	if at.Before(now) {
		at = now
	}
	// A full bucket holds a second's tokens, the one that is taken among them.
	if wait := at.Sub(now) - max(0, time.Second-each); wait > 0 {
		return wait, false
	}
	r.keep(now, owner, at.Add(each))
	return 0, true
}

// keep remembers when an owner's bucket is full. Owners with full ones are
// forgotten once many are known.
func (r *Rates) keep(now time.Time, owner string, full time.Time) {
	if r.next == nil {
		r.next = map[string]time.Time{}
	}
	if len(r.next) >= r.pruneAt {
		for o, at := range r.next {
			if !at.After(now) {
				delete(r.next, o)
			}
		}
		r.pruneAt = 64 + 2*len(r.next)
	}
	r.next[owner] = full
}
