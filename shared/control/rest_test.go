package control_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// decisionsSince are the decisions of the pool since a time, oldest first.
func (r *rig) decisionsSince(at time.Time) (out []decision.Record) {
	r.Helper()
	es, err := r.DecisionLog.Entries(r.Context(), platform.EntryQuery{Pool: pool, Limit: 1000})
	check(r.T, err)
	for i := len(es) - 1; i >= 0; i-- {
		if es[i].At.Before(at) {
			continue
		}
		e, err := r.DecisionLog.Entry(r.Context(), es[i].ID)
		check(r.T, err)
		raw, err := control.Unpack(e.Record)
		check(r.T, err)
		d, err := decision.Read(raw)
		check(r.T, err)
		out = append(out, d)
	}
	return out
}

// load puts arrivals for some seconds, the same number in each.
func (r *rig) load(seconds int, each float64) {
	r.Helper()
	for range seconds {
		check(r.T, r.Metrics.Put(r.Context(), platform.Point{Metric: telemetry.Arrivals.Name,
			Dimensions: telemetry.TaskClass(catalogue().Current().Tasks[0].Name, string(query.Strict)), At: time.Now(), Value: each}))
		<-time.After(time.Second)
	}
}

// A run ends at rest however long its ticks take, as those of many pools do.
func TestARunOfSlowTicksEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		n, stop := r.rests(settings.Defaults())
		defer stop()
		n.slow.Store(int64(4 * time.Second)) // of two queues
		<-time.After(time.Minute)
		ran := n.ran.Load()
		<-time.After(time.Minute)
		if got := time.Duration(n.ran.Load() - ran); got > 30*time.Second {
			t.Errorf("the controller of a stage at rest ran for %v of a minute", got)
		}
	})
}

// No decision of a stage at rest is held because its arrivals are old, and those are read once
// a minute at least, whatever stale_seconds and tick_seconds are.
func TestArrivalsAreFreshAtRest(t *testing.T) {
	for name, tune := range map[string]func(*settings.Settings){
		"defaults":      func(*settings.Settings) {},
		"short stale":   func(s *settings.Settings) { s.StaleSeconds = 60 },
		"a long settle": func(s *settings.Settings) { s.MetricSettleSeconds = 60 },
		"long ticks":    func(s *settings.Settings) { s.TickSeconds = 30 },
		"one tick":      func(s *settings.Settings) { s.TickSeconds, s.StaleSeconds = 60, 300 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				set := settings.Defaults()
				tune(&set)
				_, stop := r.rests(set)
				defer stop()
				<-time.After(5 * time.Minute)
				from := time.Now()
				<-time.After(5 * time.Minute)
				for _, d := range r.decisionsSince(from) {
					if d.Outcome != procurement.Decided {
						t.Errorf("%s: %s", d.ID, d.Reason)
					}
					if age := d.Case.At.Sub(d.Case.Snapshot.CoveredTo).Seconds() - set.MetricSettleSeconds; age > 90 {
						t.Errorf("%s goes by arrivals that settled %.0f s ago", d.ID, age)
					}
				}
			})
		})
	}
}

// Arrivals that come while a run of the controller is left out are read by the next one, be it
// late.
func TestARunThatIsLeftOutLosesNoArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		set.Fleet = settings.FleetFixed
		n, stop := r.rests(set)
		defer stop()
		from := time.Now()
		n.leaveOut.Store(true)
		<-time.After(20 * time.Second)
		r.load(60, 20)
		<-time.After(2 * time.Minute)
		came := 0.0
		for _, d := range r.decisionsSince(from) {
			for _, s := range d.Case.Before.Scheme.Fresh(d.Case.Snapshot) {
				came += s.All()
			}
		}
		if came < 60*20 {
			t.Errorf("%v arrivals were read of %d", came, 60*20)
		}
	})
}

// Workers for a spike of each hour are asked for a boot before it, at rest too.
func TestWorkersForASpikeAreAskedForInTimeAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		set.Scheme, set.VMBootSeconds = "hedged", 80
		set.StrictBelowMS = 1 // a function starts too late
		const minute = 10
		peaks, begin := make([]byte, 60), time.Now()
		peaks[minute] = 92 // 100 queries/s
		raw, err := json.Marshal(map[string]any{"state": decision.State{Scheme: procurement.State{
			Hour: procurement.Season{From: begin.Add(-4 * time.Hour), Until: begin, Peaks: peaks}}}})
		check(t, err)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err = z.Write(raw)
		check(t, err)
		check(t, z.Close())
		lease, err := r.DecisionLog.AcquireLease(t.Context(), "earlier", time.Minute)
		check(t, err)
		check(t, r.DecisionLog.Commit(t.Context(), lease, packed.Bytes(), platform.Entry{ID: "earlier", Pool: pool, At: begin, ForgetAt: begin.Add(time.Hour)}))
		check(t, r.DecisionLog.ReleaseLease(t.Context(), lease))
		n, stop := r.rests(set)
		defer stop()
		<-time.After(2 * time.Minute)
		ran := n.ran.Load()
		<-time.After(time.Minute)
		if got := time.Duration(n.ran.Load() - ran); got > 20*time.Second {
			t.Errorf("the controller ran for %v of a minute long before the spike", got)
		}
		<-time.After(4 * time.Minute)
		spike := begin.Truncate(time.Hour).Add(minute * time.Minute)
		latest := spike.Add(-time.Duration(set.VMBootSeconds * float64(time.Second)))
		for _, d := range r.decisionsSince(begin.Add(time.Second)) {
			if d.Action.To > 0 {
				if d.Case.At.After(latest) {
					t.Errorf("the first worker was asked for at %v, too late for %v: %s", d.Case.At, spike, d.Reason)
				}
				return
			}
		}
		t.Error("no worker was asked for")
	})
}

// No view says that a pool with a worker rests, be the worker one that nobody asked for.
func TestNoPoolWithAWorkerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		n, stop := r.rests(settings.Defaults())
		defer stop()
		var rested, served atomic.Int64
		n.viewed.Store(func(v platform.FleetView) {
			p := v.Pools[0]
			if p.Rests {
				rested.Add(1)
			}
			if p.Workers > 0 {
				served.Add(1)
			}
			if p.Rests && p.Workers > 0 {
				t.Errorf("a view says that a pool with %d workers rests", p.Workers)
			}
		})
		<-time.After(time.Minute)
		for range 12 { // one comes in the minute, and another in a run
			r.reports("w", platform.Ready)
			<-time.After(5 * time.Second)
		}
		<-time.After(3 * time.Minute)
		for range 4 {
			<-time.After(59 * time.Second)
			r.reports("x", platform.Ready)
		}
		if rested.Load() == 0 || served.Load() == 0 {
			t.Errorf("%d views at rest and %d with a worker", rested.Load(), served.Load())
		}
	})
}
