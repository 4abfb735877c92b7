package procurement

import (
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// paragon is the paper's scheme. A monitor watches the peak-to-median ratio.
// Static load is served by workers alone, sized by profile. In dynamic load
// workers follow the middle of the load, strict queries overflow when no worker
// can start them in time, and relaxed ones wait. Strict overflow is allowed in
// static load too, as the monitor may be wrong: a flash crowd is exactly that.
type paragon struct{}

func (paragon) Name() string { return "paragon" }

func (paragon) Overflow() (strict, relaxed Overflow) { return AtBound, Never }

// Regime is what the load is taken for, and how long such phases lasted.
type Regime struct {
	Dynamic       bool    `json:"dynamic,omitempty"`
	StaticSeconds float64 `json:"static_seconds,omitempty"` // spent in static load so far
	StaticEnds    int     `json:"static_ends,omitempty"`    // static phases that ended
}

// next takes a new reading, some seconds after the last one.
func (r Regime) next(dynamic bool, seconds float64) Regime {
	if !r.Dynamic {
		r.StaticSeconds += seconds
		if dynamic {
			r.StaticEnds++
		}
	}
	r.Dynamic = dynamic
	return r
}

// lasts is for how much longer static load should stay so: the mean length of
// a static phase, taken as without memory. The phase that runs counts as one
// that ends now, so that the estimate grows while nothing happens.
func (r Regime) lasts() float64 {
	if r.Dynamic {
		return 0
	}
	return r.StaticSeconds / float64(r.StaticEnds+1)
}

func (paragon) Decide(_ time.Time, s Snapshot, set settings.Settings, st State) (Decision, State) {
	ratio := arrivals.PeakToMedian(st.History[max(0, len(st.History)-int(set.PeakWindowSeconds)):])
	st.Load = st.Load.next(ratio > set.PeakToMedian, set.TickSeconds)
	d := Decision{PeakToMedian: ratio, Dynamic: st.Load.Dynamic, StaticSeconds: st.Load.lasts()}
	backlog := s.Pool.QueuedMS / s.ServiceMS / set.BacklogSeconds
	if st.Load.Dynamic {
		rate := st.rate(int(set.TickSeconds)*6) + backlog
		d.Workers = paced(s, set, rate)
		d.Reason = fmt.Sprintf("%s; the load is dynamic, because its peak is %s its median", observedReason(rate, s, d.Workers), times(ratio))
		return d, st
	}
	rate := st.rate(int(set.PeakWindowSeconds)/2)/set.StaticUtil + backlog
	d.Workers = paced(s, set, rate)
	d.Reason = fmt.Sprintf("%s; the load is static, because its peak is %s its median; by the length of earlier static phases it will stay static for another %.0f s",
		observedReason(rate, s, d.Workers), times(ratio), d.StaticSeconds)
	return d, st
}

// times words a ratio. A large one is that of a load that is mostly idle: its size says
// nothing.
func times(ratio float64) string {
	if ratio > 10 {
		return "more than 10 times"
	}
	return fmt.Sprintf("%.2f times", ratio)
}

// paced is how many workers a rate needs when functions stand behind them:
// nothing must be held for a peak, so that workers close once they were idle
// for a third of the time that the others wait.
func paced(s Snapshot, set settings.Settings, rate float64) int {
	need, have := workers(s, rate), s.Pool.Ready+s.Pool.Booting
	if need >= have {
		return need
	}
	return max(need, have-idle(s, math.Floor(set.IdleSeconds/3)))
}
