package priority

import "syscall"

// Nice is the niceness of what is in the background. Linux weighs a thread of
// niceness 10 with 110 and one of niceness 0 with 1024 (sched_prio_to_weight): of a
// core that both want the former has 10 %, and all of one that nobody else wants.
const Nice = 10

// LowerThread lowers the priority of the calling thread, which must be locked to its
// goroutine, and of the processes that it forks from then on. It needs no privilege;
// where a sandbox forbids it, the work runs as other work does.
func LowerThread() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, Nice) }
