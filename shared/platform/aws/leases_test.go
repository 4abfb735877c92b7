package aws

import (
	"testing"
	"time"
)

// A lease is known to have ended by our own clock, whatever SQS would say.
func TestLeasesEndByOurClock(t *testing.T) {
	now := time.Unix(1000, 0)
	l := &leases{now: func() time.Time { return now }}
	r := l.receipt("h", 10*time.Second)
	held := func(want bool) {
		t.Helper()
		if handle, ok := l.held(r); handle != "h" || ok != want {
			t.Errorf("after %v: handle %q, held %v, want %v", now.Sub(time.Unix(1000, 0)), handle, ok, want)
		}
	}
	held(true)
	now = now.Add(9 * time.Second)
	held(true)
	l.renew("h", 10*time.Second)
	now = now.Add(9 * time.Second)
	held(true)
	l.end("h")
	held(false) // its first lease is over
}

func TestReceiptsOfEventSourcesAreHeld(t *testing.T) {
	l := &leases{now: time.Now}
	if handle, ok := l.held("from-an-event"); handle != "from-an-event" || !ok {
		t.Errorf("handle %q, held %v", handle, ok)
	}
	if _, ok := l.held("soon handle"); ok {
		t.Error("a receipt with an end that is none is held")
	}
}

func TestEndedLeasesAreNotKept(t *testing.T) {
	now := time.Unix(1000, 0)
	l := &leases{now: func() time.Time { return now }}
	for i := range 3 * leastPurge {
		l.renew(string(rune('a'+i%26))+time.Duration(i).String(), time.Second)
		now = now.Add(time.Second)
	}
	if n := len(l.renewed); n > leastPurge {
		t.Errorf("%d leases are kept", n)
	}
}
