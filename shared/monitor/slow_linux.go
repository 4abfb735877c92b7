package monitor

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Slow executes this program again, once, with a monitor that wakes at most each
// millisecond. It is the first call of main: what is open is closed, and signals that have come are
// forgotten. Where the kernel refuses, the program goes on as it is.
func Slow() {
	marked := os.Getenv(mark) != ""
	_ = os.Unsetenv(mark) // the process's children are not marked
	if marked {
		if has() == slack {
			keepUsual()
		}
		return
	}
	runtime.LockOSThread() // the slack is a thread's
	defer runtime.UnlockOSThread()
	path, err := os.Executable()
	if err != nil || !set(slack) {
		return
	}
	_ = syscall.Exec(path, os.Args, append(os.Environ(), mark+"=1"))
	set(usual) // still here: it failed
}

// keepUsual gives the usual slack to the threads that run goroutines: as many goroutines as
// threads wait for each other, each on a thread of its own. One that the monitor makes
// while they do may be left out.
func keepUsual() {
	set(usual)
	runtime.LockOSThread() // the first makes a thread, from this one, that makes others later
	defer runtime.UnlockOSThread()
	var all, done sync.WaitGroup
	all.Add(threads)
	for range threads {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			set(usual)
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
}

// has returns the calling thread's slack.
func has() time.Duration {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}

// set sets the calling thread's slack, and reports whether it did.
func set(to time.Duration) bool {
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(to), 0, 0, 0) == nil && has() == to
}
