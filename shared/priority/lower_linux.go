package priority

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Nice is the niceness of what is in the background. Linux weighs a thread of
// niceness 10 with 110 and one of niceness 0 with 1024 (sched_prio_to_weight): of a
// core that both want the former has 10 %, and all of one that nobody else wants.
const Nice = 10

// LowerThread lowers the priority of the calling thread, which must be locked to its
// goroutine, and of the processes that it forks from then on. It needs no privilege;
// where a sandbox forbids it, the work runs as other work does.
func LowerThread() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, Nice) }

// idleThread has the calling thread, and what it forks, run by SCHED_IDLE: sched(7).
// The kernel interrupts it for any thread of another policy that wakes, where one of a
// low niceness goes on until its time slice ends.
func idleThread() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
}
