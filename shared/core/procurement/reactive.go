package procurement

import (
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// reactive asks for workers for what it sees: the rate of the last window and
// the backlog. Workers close when they were idle for a while.
type reactive struct{}

func (reactive) Name() string { return "reactive" }

func (reactive) Overflow() (strict, relaxed Overflow) { return Never, Never }

func (reactive) Decide(_ time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	rate := observed(s, set, st)
	n := track(s, set, rate)
	return Decision{Workers: n, Reason: observedReason(rate, s, n)}, st
}

// observed is the rate of the last window, which is as long as a tick, and the
// rate that works the backlog off in time, in queries a second.
func observed(s Snapshot, set settings.Settings, st State) float64 {
	return st.rate(max(1, int(set.TickSeconds))) + s.Pool.QueuedMS/s.ServiceMS/set.BacklogSeconds
}

// track is how many workers a rate needs. Fewer than there are close only
// once they were idle for idle_seconds.
func track(s Snapshot, set settings.Settings, rate float64) int {
	need, have := workers(s, rate), s.Pool.Ready+s.Pool.Booting
	if need >= have {
		return need
	}
	return max(need, have-idle(s, set.IdleSeconds))
}

// workers is the least number of workers whose throughput is the rate.
func workers(s Snapshot, rate float64) int {
	return int(math.Ceil(rate/s.Throughput() - 1e-9))
}

// idle counts the workers that were idle for at least the given seconds.
func idle(s Snapshot, seconds float64) int {
	n := 0
	for _, v := range s.Pool.IdleSeconds {
		if v >= seconds {
			n++
		}
	}
	return n
}

func observedReason(rate float64, s Snapshot, n int) string {
	return fmt.Sprintf("%s for %s, backlog included; one worker answers up to %.2f queries/s", Count(n), Rate(rate), s.Throughput())
}
