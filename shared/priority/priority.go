// Package priority runs work that takes long behind work that is short: the
// processor goes to the latter first where both want it.
package priority

import "runtime"

// Background runs f on a thread of its own whose priority is lowered, and returns
// when it has ended; a panic of f is one of the caller. A thread that lowered its
// priority cannot raise it again without privilege: it ends with f, which costs some
// tens of microseconds. What f starts in other goroutines has the caller's priority,
// and a process that it starts has the lower one.
func Background(f func()) { onThread(LowerThread, f) }

// Idle is Background at the priority that gives way at once to everything else: of a
// core that another thread wants it has a three-hundredth, and is interrupted as soon
// as that one wakes.
//
// Only a process of its own belongs there. A thread of this process would hold what
// the others wait for: a lock, or the end of what it does before garbage is collected.
func Idle(f func()) { onThread(idleThread, f) }

func onThread(lower, f func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		lower()
		f()
	}()
	if <-done; panicked != nil {
		panic(panicked)
	}
}
