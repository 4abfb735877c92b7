package rivals

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// targetTracking is an EC2 Auto Scaling group behind a load balancer whose policy
// keeps the mean CPU utilization at 70 %. Its two alarms are those that AWS makes for
// ASGAverageCPUUtilization: the high one fires after three minutes above the target,
// the low one after fifteen below 70 % of it. Scaling out takes the instances in
// proportion to the metric; those that warm up (300 s after they are in service, the
// default) count for neither metric nor capacity, and block scaling in.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
type targetTracking struct{}

func (targetTracking) Name() string { return "target_tracking" }

func (targetTracking) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

const (
	trackedTarget  = 0.70
	trackedLow     = 0.7 * trackedTarget // of the low alarm
	highMinutes    = 3
	lowMinutes     = 15
	trackedWarmUp  = 300 * time.Second
	trackedPeriod  = 60 // seconds, with detailed monitoring
	trackedWorkers = 1  // at least: a group without instances has no metric
)

// Platform has plain servers behind the balancer, and CloudWatch's minutes.
func (targetTracking) Platform() simulate.Platform {
	return simulate.Platform{Serving: simulate.BehindBalancer, TickSeconds: trackedPeriod, LeastWorkers: trackedWorkers}
}

// tracked is what target tracking remembers.
type tracked struct {
	Utilization []float64   `json:"utilization"` // of the last minutes
	Ready       int         `json:"ready"`       // at the last decision
	WarmAt      []time.Time `json:"warm_at"`     // when each instance that warms up has done so
}

func (targetTracking) Decide(now time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	m := recall[tracked](st)
	m.update(now, s.Pool)
	have := s.Pool.Ready + s.Pool.Booting
	counted := max(1, s.Pool.Ready-len(m.WarmAt))
	need := int(math.Ceil(float64(counted)*s.Pool.Used/trackedTarget - 1e-9))
	d := procurement.Decision{Workers: have}
	switch {
	case m.all(highMinutes, func(u float64) bool { return u > trackedTarget }):
		d.Workers = max(have, need)
	case s.Pool.Booting+len(m.WarmAt) == 0 && m.all(lowMinutes, func(u float64) bool { return u < trackedLow }):
		d.Workers = min(have, max(trackedWorkers, need))
	}
	d.Reason = fmt.Sprintf("used to %.0f %% of a target of %.0f %%: %d workers", 100*s.Pool.Used, 100*trackedTarget, d.Workers)
	return d, remember(st, m)
}

// update takes the reading of the minute, and which instances warm up.
func (m *tracked) update(now time.Time, p procurement.Pool) {
	m.Utilization = keepLast(m.Utilization, p.Used, lowMinutes)
	m.WarmAt = slices.DeleteFunc(m.WarmAt, func(at time.Time) bool { return !at.After(now) })
	if len(m.Utilization) > 1 {
		for range p.Ready - m.Ready {
			m.WarmAt = append(m.WarmAt, now.Add(trackedWarmUp))
		}
	}
	m.Ready = p.Ready
}

// all is whether each of the last minutes is beyond an alarm's threshold.
func (m *tracked) all(minutes int, beyond func(float64) bool) bool {
	if len(m.Utilization) < minutes {
		return false
	}
	for _, u := range m.Utilization[len(m.Utilization)-minutes:] {
		if !beyond(u) {
			return false
		}
	}
	return true
}
