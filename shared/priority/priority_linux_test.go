package priority

import (
	"runtime"
	"syscall"
	"testing"
)

// niceness returns the calling thread's. The system call returns 20 less it.
func niceness(t *testing.T) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

func TestBackgroundLowersItsOwnThreadAlone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, within := niceness(t), 0
	thread, other := syscall.Gettid(), 0
	Background(func() { within, other = niceness(t), syscall.Gettid() })
	if want := max(before, Nice); within != want || other == thread {
		t.Errorf("niceness %d on thread %d, want %d on another than %d", within, other, want, thread)
	}
	if after := niceness(t); after != before {
		t.Errorf("the caller's niceness is %d, and was %d", after, before)
	}
}

func TestAPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if got := recover(); got != "broken" {
			t.Errorf("got %v", got)
		}
	}()
	Background(func() { panic("broken") })
}
