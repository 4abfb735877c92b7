package priority

import (
	"fmt"
	"os"
	"strconv"
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

// Yield lets another thread run that waits for this core, if there is one. A thread of SCHED_IDLE
// that does so often is in nobody's way: once it has a core, where a thread in front of it has used
// up its time slice, it would have it until the next timer tick, 4 ms later with 250 ticks a second.
func Yield() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

// IdleProcess has every thread of a process that was just started, and what they start, run by
// SCHED_IDLE (sched(7)): of a core that another thread wants it has a three-hundredth, and the
// kernel interrupts it as soon as that one wakes, where one of a low niceness goes on until its
// time slice ends. Where a sandbox forbids it, the process runs as others do.
//
// Only a process of its own belongs there. A thread of this one would hold what the others wait
// for: a lock, or the end of what it does before garbage is collected. So does a thread that
// starts a process: it gives its core back only once the new one has replaced its program.
func IdleProcess(pid int) {
	lowered := map[int]bool{}
	for more := true; more; { // until none was started by one that was not yet lowered
		more = false
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil && !lowered[id] {
				_ = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
				lowered[id], more = true, true
			}
		}
	}
}
