package serving

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// use adds up how long runners were busy. It is not safe for concurrent use.
type use struct {
	runners   int
	busy      int
	at        time.Time
	idleSince time.Time // when the last runner became free, or the worker began

	windowAt   time.Time     // when the window began that is being filled
	inWindow   time.Duration // runners' busy time in it
	last       float64       // share of the window before
	lastLength time.Duration
}

func newUse(now time.Time, runners int) use {
	return use{runners: runners, at: now, idleSince: now, windowAt: now}
}

// update notes how many runners are busy from now on.
func (u *use) update(now time.Time, busy int) {
	if now.After(u.at) {
		u.inWindow += time.Duration(u.busy) * now.Sub(u.at)
		u.at = now
	}
	if u.busy > 0 && busy == 0 {
		u.idleSince = now
	}
	u.busy = busy
	if length := now.Sub(u.windowAt); length >= procurement.UseWindow {
		u.last, u.lastLength = u.inWindow.Seconds()/(length.Seconds()*float64(u.runners)), procurement.UseWindow
		u.windowAt, u.inWindow = now, 0
	}
}

// share is how much of the runners' time was used: in the window that is being
// filled and in the one before, by their lengths.
func (u *use) share(now time.Time) float64 {
	length := now.Sub(u.windowAt)
	total := (length + u.lastLength).Seconds()
	if total <= 0 {
		return 0
	}
	return min(1, (u.inWindow.Seconds()/float64(u.runners)+u.last*u.lastLength.Seconds())/total)
}
