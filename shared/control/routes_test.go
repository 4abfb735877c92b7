package control_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// balancer is a load balancer whose rule and targets a test sets. It writes
// down when requests were turned.
type balancer struct {
	platform.Routes
	turned []bool
	at     time.Time
	err    error
}

// traffic serves a balancer.
type traffic struct{ *balancer }

func (t traffic) Routes(context.Context) (platform.Routes, error) { return t.balancer.Routes, t.err }

func (t traffic) Turn(_ context.Context, toWorkers bool) error {
	t.balancer.Routes.ToWorkers, t.at = toWorkers, time.Now()
	t.turned = append(t.turned, toWorkers)
	return nil
}

// drains notes when workers were asked to leave.
type drains struct {
	platform.Fleet
	at  time.Time
	ids []string
}

func (d *drains) Drain(ctx context.Context, pool string, ids ...string) error {
	d.at, d.ids = time.Now(), append(d.ids, ids...)
	return d.Fleet.Drain(ctx, pool, ids...)
}

func (r *rig) report(id string, state platform.WorkerState) {
	r.Helper()
	if _, err := r.Fleet.Report(r.Context(), platform.WorkerReport{ID: id, Pool: pool, InstanceType: "c5.large", State: state, At: time.Now(), Runners: 2}); err != nil {
		r.Fatal(err)
	}
}

// Requests go to the workers while a healthy one stays.
func TestReconcileTurnsRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		healthy   []string
		draining  bool // w1
		toWorkers bool // before
		held      bool // the lease, by another
		want      []bool
	}{
		"the first is healthy":             {[]string{"w1"}, false, false, false, []bool{true}},
		"nothing changed":                  {[]string{"w1"}, false, true, false, nil},
		"none is healthy":                  {nil, false, true, false, []bool{false}},
		"the last drains":                  {[]string{"w1"}, true, true, false, []bool{false}},
		"one drains, another stays":        {[]string{"w1", "w2"}, true, true, false, nil},
		"one that drains does not turn it": {[]string{"w1"}, true, false, false, nil},
		"another controller has the lease": {nil, false, true, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				state := platform.Ready
				if tc.draining {
					state = platform.Draining
				}
				r.report("w1", state)
				b := &balancer{Routes: platform.Routes{ToWorkers: tc.toWorkers, Healthy: tc.healthy}}
				r.Controller.Traffic = traffic{b}
				if tc.held {
					if _, err := r.DecisionLog.AcquireLease(t.Context(), "another", time.Minute); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.Reconcile(t.Context()); err != nil || !slices.Equal(b.turned, tc.want) {
					t.Errorf("turned %v, want %v; error %v", b.turned, tc.want, err)
				}
			})
		})
	}
}

// The last worker is asked to leave ten seconds after the requests were turned
// from it, and not at all when they could not be.
func TestTheLastWorkerLeavesAfterItsRequests(t *testing.T) {
	for name, fails := range map[string]error{"turned": nil, "not turned": errors.New("down")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				r.report("w1", platform.Ready)
				set := settings.Defaults()
				set.MaxWorkers = 0
				r.Controller.Tuned = func() tuning.State { return tuning.State{Settings: set} }
				b := &balancer{Routes: platform.Routes{ToWorkers: true, Healthy: []string{"w1"}}, err: fails}
				d := &drains{Fleet: r.Fleet}
				r.Controller.Traffic, r.Controller.Fleet = traffic{b}, d
				if err := r.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
				if fails != nil {
					if len(d.ids) > 0 || len(b.turned) > 0 {
						t.Errorf("%q leave, turned %v", d.ids, b.turned)
					}
					return
				}
				if !slices.Equal(d.ids, []string{"w1"}) || !slices.Equal(b.turned, []bool{false}) || d.at.Sub(b.at) < 10*time.Second {
					t.Errorf("%q leave %v after the requests were turned: %v", d.ids, d.at.Sub(b.at), b.turned)
				}
			})
		})
	}
}

// Each tick turns requests as they should be, also when nothing else is done.
func TestATickReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.report("w1", platform.Ready)
		b := &balancer{Routes: platform.Routes{Healthy: []string{"w1"}}}
		r.Controller.Traffic = traffic{b}
		if err := r.Tick(t.Context()); err != nil || !slices.Equal(b.turned, []bool{true}) {
			t.Errorf("turned %v, error %v", b.turned, err)
		}
	})
}
