// Package monitor has the Go runtime's monitor thread wake less often.
//
// While a goroutine is in a call of C, as each run of a network is, the monitor (sysmon in
// runtime/proc.go) looks every 20 µs whether another goroutine waits for the processor that
// the call holds, for up to 10 ms after each look that found one. Each look interrupts
// a run on the same core: on two cores, a worker's monitor woke 27 times in a query of 10 ms.
// The kernel may delay the end of a sleep by the thread's timer slack (prctl(2)), so a
// larger slack for the monitor alone makes it rarer. A thread has the slack of the one
// that made it, and the monitor exists before any code of a program runs: so the
// process sets the slack and executes itself.
package monitor

import "time"

// slack is how much later than asked the monitor may wake. A goroutine that waits while C
// holds every processor waits this much longer.
const slack = time.Millisecond

// usual is the slack that a process has from the kernel, which its other threads keep.
const usual = 50 * time.Microsecond

// threads is how many threads get the usual slack at the start: more than the runtime has by
// then, so that all but the monitor do, and more than a worker of two cores uses.
// One that the monitor makes later has the monitor's slack.
const threads = 16

// mark is the variable that a process has after it has executed itself.
const mark = "PARAGON_MONITOR_SLACK"
