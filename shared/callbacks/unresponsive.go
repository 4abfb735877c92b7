package callbacks

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
)

const (
	// longestPause is for how long a host that gave no response is not called again, at
	// most. The first pauses are as long as the first waits of a callback.
	longestPause = time.Minute
	// mostUnresponsive bounds the hosts that are remembered: a pattern in callback_hosts
	// allows any number.
	mostUnresponsive = 1000
)

// unresponsive remembers the hosts whose last call got no response. The zero value is
// ready for use.
type unresponsive struct {
	mu   sync.Mutex
	last map[string]pause // by host
}

// pause is a time without calls to a host.
type pause struct {
	until time.Time
	nth   int // in a row, from 1
}

// until is when the pause of a host ends; ok is false if its last call got a response.
func (u *unresponsive) until(host string) (at time.Time, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.last[host]
	return p.until, ok
}

// responded forgets a host.
func (u *unresponsive) responded(host string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.last, host)
}

// failed begins a pause of a host, unless one has begun that has not ended: calls that
// were under way together begin one. A draw from 0 to 1 spreads its end.
func (u *unresponsive) failed(host string, now time.Time, draw float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, known := u.last[host]
	if now.Before(p.until) {
		return
	}
	if !known && len(u.last) >= mostUnresponsive { // the one whose pause ends first is soonest called again
		delete(u.last, slices.MinFunc(slices.Collect(maps.Keys(u.last)), func(a, b string) int { return u.last[a].until.Compare(u.last[b].until) }))
	}
	if u.last == nil {
		u.last = map[string]pause{}
	}
	u.last[host] = pause{until: now.Add(min(callback.Wait(p.nth+1, draw), longestPause)), nth: p.nth + 1}
}
