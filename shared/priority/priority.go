// Package priority runs work that takes long behind work that is short: the
// processor goes to the latter first where both want it.
package priority

import "runtime"

// Background runs f on a thread of its own whose priority is lowered, and returns
// when it has ended; a panic of f is one of the caller. A thread that lowered its
// priority cannot raise it again without privilege: it ends with f, which costs some
// tens of microseconds. What f starts in other goroutines has the caller's priority,
// and a process that it starts has the lower one.
func Background(f func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		LowerThread()
		f()
	}()
	if <-done; panicked != nil {
		panic(panicked)
	}
}
