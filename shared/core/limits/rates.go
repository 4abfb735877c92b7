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
	r.mu.Lock()
	defer r.mu.Unlock()
	full, wait := r.oneMore(now, owner, perSecond)
	if wait > 0 {
		return wait, false
	}
	r.keep(now, owner, full)
	return 0, true
}

// Wait is after which time an owner has a token; 0 when it has one. None is taken.
func (r *Rates) Wait(now time.Time, owner string, perSecond float64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, wait := r.oneMore(now, owner, perSecond)
	return max(0, wait)
}

// oneMore is when an owner's bucket is full again if one more token is taken, and after
// which time there is one. A full bucket holds a second's tokens, that one among them.
func (r *Rates) oneMore(now time.Time, owner string, perSecond float64) (full time.Time, wait time.Duration) {
	each := time.Duration(float64(time.Second) / perSecond)
	at := r.next[owner]
	if at.Before(now) {
		at = now
	}
	return at.Add(each), at.Sub(now) - max(0, time.Second-each)
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
