package aws

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// leases remember until when messages are held. SQS itself may take an old
// receipt for a good one after another consumer got the message, so a lease
// that ended by our own clock is lost without asking.
//
// A receipt carries the end of its lease, and only renewed ones are kept here.
// One without an end came through an event source, which holds the message for
// as long as the function runs.
type leases struct {
	now func() time.Time

	mu      sync.Mutex
	renewed map[string]time.Time // by handle
	purgeAt int                  // size at which ended ones are dropped
}

const leastPurge = 1024

// receipt makes the receipt of a handle whose lease begins now.
func (l *leases) receipt(handle string, lease time.Duration) string {
	return strconv.FormatInt(l.now().Add(lease).UnixMilli(), 10) + " " + handle
}

// held returns the handle of a receipt, and whether its lease may still hold.
func (l *leases) held(receipt string) (handle string, ok bool) {
	ms, handle, found := strings.Cut(receipt, " ")
	if !found {
		return receipt, true
	}
	l.mu.Lock()
	end, known := l.renewed[handle]
	l.mu.Unlock()
	if !known {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return handle, false
		}
		end = time.UnixMilli(n)
	}
	return handle, l.now().Before(end)
}

// renew notes that a handle's lease ends so much later than now.
func (l *leases) renew(handle string, lease time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed == nil {
		l.renewed, l.purgeAt = map[string]time.Time{}, leastPurge
	}
	l.renewed[handle] = l.now().Add(lease)
	if len(l.renewed) < l.purgeAt {
		return
	}
	for h, end := range l.renewed {
		if l.now().After(end) { // its receipt's own end has passed too
			delete(l.renewed, h)
		}
	}
	l.purgeAt = max(leastPurge, 2*len(l.renewed))
}

// end forgets a handle whose message is gone.
func (l *leases) end(handle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.renewed, handle)
}
