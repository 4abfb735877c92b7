package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Functions have a lower priority than all else on this machine. Where other programs want
// the processor they may get next to none of it, and no query is answered by a process that
// does not run. What they got is measured where the kernel counts it.

// starvedBelow is the share of the processor time that functions wanted below which they
// could not run.
const starvedBelow = 0.1

// sampleEvery is the time between two samples.
const sampleEvery = 500 * time.Millisecond

// processorTime is what the threads of a process have had of the processor, and for how long
// they waited for it, all together.
type processorTime struct{ ran, waited time.Duration }

// sample is what functions had and waited for since the sample before.
type sample struct {
	at time.Duration // from the start of the load
	processorTime
}

// starved reports whether functions got less of the processor than starvedBelow of what they
// wanted in a time, and waited for it for at least half of that time. A function that is
// stopped, or was never started, waits for nothing.
func starved(samples []sample, from, until time.Duration) bool {
	var all processorTime
	for _, s := range samples {
		if from < s.at && s.at <= until {
			all.ran, all.waited = all.ran+s.ran, all.waited+s.waited
		}
	}
	return all.waited >= (until-from)/2 && float64(all.ran) < starvedBelow*float64(all.ran+all.waited)
}

// watchedFunctions adds up what the functions of a stage have of the processor.
type watchedFunctions struct {
	last    map[int]processorTime // by process id
	samples []sample
}

// add adds a sample of the processes that there are now. What one had after its last sample
// is left out.
func (w *watchedFunctions) add(at time.Duration, pids []int) {
	now, s := map[int]processorTime{}, sample{at: at}
	for _, pid := range pids {
		t := processorTimeOf(pid)
		before := w.last[pid]
		now[pid] = t
		s.ran, s.waited = s.ran+max(0, t.ran-before.ran), s.waited+max(0, t.waited-before.waited)
	}
	w.last, w.samples = now, append(w.samples, s)
}

// processorTimeOf reads /proc/PID/task/*/schedstat: nanoseconds on the processor, and in
// the queue for it. Zero where there is none.
func processorTimeOf(pid int) (t processorTime) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return t
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(text), &ran, &waited); err == nil {
			t.ran, t.waited = t.ran+time.Duration(ran), t.waited+time.Duration(waited)
		}
	}
	return t
}
