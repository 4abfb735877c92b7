package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadCPU is the CPU time of the calling thread. It leaves out the time in
// which others had the CPU, and so stands for a machine of one's own; it holds
// only for inferences of one thread.
func ThreadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic("measure: the thread's clock: " + err.Error()) // Linux has had it since 2.6.12
	}
	return time.Duration(ts.Nano())
}
