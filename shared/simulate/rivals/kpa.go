package rivals

import (
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// kpa is Knative's pod autoscaler, a pod on each worker: pods for the mean rate of a
// stable window, and in a panic, when a short window asks for twice the ready pods,
// for that of the short one without scaling down. Windows, thresholds and rates are
// Knative's defaults. Its metric is requests a second: by concurrency, the default, it
// would take what waits while a worker boots for load, and buy a pod for each.
// Queries that no pod has room for wait in the activator.
// https://knative.dev/docs/serving/autoscaling/kpa-specific/
type kpa struct{}

func (kpa) Name() string { return "kpa" }

func (kpa) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

const (
	kpaTick        = 2   // seconds: tick-interval
	kpaStable      = 60  // seconds: stable-window
	kpaPanic       = 6   // seconds: panic-window-percentage, 10 %
	kpaThreshold   = 2   // panic-threshold-percentage, 200 %
	kpaUtilization = 0.7 // of what a pod can answer: the target percentage
	kpaScaleUp     = 1000
	kpaScaleDown   = 2
	kpaPods        = 1 // min-scale: a pod from zero would keep its callers waiting for a boot
)

// Platform has workers that take from the activator's one queue, which the
// autoscaler reads each two seconds.
func (kpa) Platform() simulate.Platform {
	return simulate.Platform{Serving: simulate.BehindBalancer, TickSeconds: kpaTick, LeastWorkers: kpaPods}
}

// panicking is what kpa remembers.
type panicking struct {
	Since time.Time `json:"since,omitzero"` // when the threshold was last passed; zero outside a panic
	Pods  int       `json:"pods"`           // the most that were wanted in it
}

func (kpa) Decide(now time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	m := recall[panicking](st)
	target, ready := kpaUtilization*s.Throughput(), max(1, float64(s.Pool.Ready))
	bounded := func(n float64) int {
		return int(min(max(n, math.Floor(ready/kpaScaleDown)), math.Ceil(ready*kpaScaleUp)))
	}
	rate, short := mean(last(st.History, kpaStable)), mean(last(st.History, kpaPanic))
	stable, sudden := math.Ceil(rate/target-1e-9), math.Ceil(short/target-1e-9)
	m.update(now, sudden/ready >= kpaThreshold)
	n := bounded(stable)
	if !m.Since.IsZero() {
		m.Pods = max(m.Pods, n, bounded(sudden))
		n = m.Pods
	}
	d := procurement.Decision{Workers: max(kpaPods, n)}
	d.Reason = fmt.Sprintf("%.1f queries/s, in the last seconds %.1f, %.2f a pod: %d pods", rate, short, target, d.Workers)
	return d, remember(st, m)
}

// update begins, prolongs or ends a panic: it ends a stable window after the
// threshold was last passed.
func (m *panicking) update(now time.Time, over bool) {
	switch {
	case over:
		m.Since = now
	case !m.Since.IsZero() && now.Sub(m.Since) > kpaStable*time.Second:
		m.Since, m.Pods = time.Time{}, 0
	}
}
