package procurement

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// utilAware is INFaaS's rule: a worker more when even the least loaded one is
// busy, one less after a run of low readings.
type utilAware struct{}

func (utilAware) Name() string { return "util_aware" }

func (utilAware) Overflow() (strict, relaxed Overflow) { return Never, Never }

// nowcastSeconds is the time between two of INFaaS's readings.
const nowcastSeconds = 2

func (utilAware) Decide(_ time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	p := s.Pool
	d := Decision{Workers: p.Ready + p.Booting}
	readings := max(1, int(set.TickSeconds/nowcastSeconds))
	switch {
	case p.Ready == 0 && p.Booting == 0 && (st.rate(int(set.TickSeconds)) > 0 || p.QueuedMS > 0):
		d.Workers, st.LowReadings = 1, 0
		d.Reason = "1 worker, because queries arrive and there is no worker"
	case p.Ready > 0 && (p.UsedLeast > set.UtilHigh || p.QueuedMS > 0 && p.Used >= 1):
		st.LowReadings = 0
		// One decision a reading, each for one worker: a tick holds several.
		d.Workers += max(0, readings-p.Booting)
		d.Reason = fmt.Sprintf("even the least utilized worker is busy for %.0f %% of the time", 100*p.UsedLeast)
	case p.Used < set.UtilLow && p.Booting == 0:
		st.LowReadings += readings
		d.Reason = fmt.Sprintf("the utilization of the workers is %.0f %%; it has been low for %d readings", 100*p.Used, st.LowReadings)
		if st.LowReadings >= set.UtilLowReadings {
			d.Workers, st.LowReadings = max(0, d.Workers-1), 0
		}
	default:
		st.LowReadings = 0
		d.Reason = fmt.Sprintf("the utilization of the workers is %.0f %%", 100*p.Used)
	}
	return d, st
}
