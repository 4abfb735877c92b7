package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/overflow/overflowtest"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// Whatever may overflow leaves the queues of a pool without workers that answer for the
// functions: at once where none is on its way, else when its bound says so, and strict
// queries at once. What may not, or has a worker, stays as it was. Workers that have been
// silent for three heartbeats, or that are frozen or suspended, are as good as none. Over schemes that
// let queries overflow and that do not, states of the pool, class, and time that is left.
func TestNothingWaitsForAPoolWithoutWorkers(t *testing.T) {
	const none, serves, frozen, silent, suspended = "none", "serves", "frozen", "silent", "suspended"
	both := []bool{false, true}
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		for _, scheme := range []string{"reactive", "mixed", "paragon"} {
			for _, worker := range []string{none, serves, frozen, silent, suspended} {
				for _, booting := range both {
					for _, off := range both {
						if off && (worker != none || scheme != "mixed") {
							continue
						}
						for _, waited := range []time.Duration{0, 9 * time.Second} {
							allowed := scheme == "mixed" || scheme == "paragon" && class == query.Strict
							moves := allowed && worker != serves && !off && (!booting || class == query.Strict || waited > 0)
							name := fmt.Sprintf("%s scheme=%s worker=%s booting=%v off=%v waited=%v", class, scheme, worker, booting, off, waited)
							t.Run(name, func(t *testing.T) {
								synctest.Test(t, func(t *testing.T) {
									set := settings.Defaults()
									set.Scheme = scheme
									if off {
										set.MaxOverflowConcurrency = 0
									}
									r := newRig(t)
									defer r.close()
									r.Controller = r.handingOver(set, func(string) bool { return worker != frozen })
									if worker == silent {
										r.reports("w", platform.Ready)
										<-time.After(31 * time.Second)
									}
									r.decides(class)
									if worker == serves || worker == frozen || worker == suspended {
										r.reports("w", platform.Ready)
									}
									if worker == suspended {
										if err := r.backend.Suspend(t.Context(), "w"); err != nil {
											t.Fatal(err)
										}
									}
									if booting {
										r.reports("b", platform.Booting)
									}
									from := platform.WorkQueue(pool, class)
									if err := r.Queues.Send(t.Context(), from, overflowtest.Query("q", class, waited)); err != nil {
										t.Fatal(err)
									}
									if err := r.PublishView(t.Context()); err != nil {
										t.Fatal(err)
									}
									if err := r.HandOver(t.Context()); err != nil {
										t.Fatal(err)
									}
									for q, want := range map[platform.QueueName]bool{from: !moves, platform.Overflow: moves} {
										if depth, err := r.Queues.Depth(t.Context(), q); err != nil || (depth.Visible == 1) != want || depth.InFlight != 0 {
											t.Errorf("%s holds %+v, error %v", q, depth, err)
										}
									}
								})
							})
						}
					}
				}
			}
		}
	}
}

// Workers that stop and count as ready for half a minute yet: with the second view in which
// strict queries wait the view says that their work does not move, and what waits is handed over. It says so no more when
// one reports. Relaxed queries stay, and strict ones where the scheme lets none overflow.
func TestStoppedWorkersAreSeenByTheirStrictWork(t *testing.T) {
	for scheme, moves := range map[string]bool{"mixed": true, "reactive": false} {
		synctest.Test(t, func(t *testing.T) {
			set := settings.Defaults()
			set.Scheme = scheme
			r := newRig(t)
			defer r.close()
			r.Controller = r.handingOver(set, nil)
			r.decides(query.Strict)
			views := func(n int) (p placement.Pool) {
				t.Helper()
				for range n {
					<-time.After(time.Second)
					if err := errors.Join(r.PublishView(t.Context()), r.HandOver(t.Context())); err != nil {
						t.Fatal(err)
					}
				}
				v, err := r.Fleet.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return v.Pools[0]
			}
			r.reports("w", platform.Ready)
			if p := views(9); p.Stalled {
				t.Errorf("%s: nothing waits: %+v", scheme, p)
			}
			for _, class := range []query.Class{query.Relaxed, query.Strict} {
				if err := r.Queues.Send(t.Context(), platform.WorkQueue(pool, class), overflowtest.Query(string(class), class, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if p := views(1); p.Stalled {
				t.Errorf("%s: they wait in one view: %+v", scheme, p)
			}
			if p := views(1); !p.Stalled || p.Workers != 1 {
				t.Errorf("%s: they wait in two views: %+v", scheme, p)
			}
			for q, want := range map[platform.QueueName]bool{
				platform.WorkQueue(pool, query.Strict): !moves, platform.Overflow: moves, platform.WorkQueue(pool, query.Relaxed): true,
			} {
				if depth, err := r.Queues.Depth(t.Context(), q); err != nil || (depth.Visible == 1) != want || depth.InFlight != 0 {
					t.Errorf("%s: %s holds %+v, error %v", scheme, q, depth, err)
				}
			}
			<-time.After(time.Millisecond)
			r.reports("w", platform.Ready)
			if p := views(1); p.Stalled {
				t.Errorf("%s: a worker has reported: %+v", scheme, p)
			}
		})
	}
}

// handingOver is a controller with functions to hand over to.
func (r *rig) handingOver(set settings.Settings, answers func(string) bool) *control.Controller {
	return control.New(control.Options{
		Holder: "me", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: overflowtest.Catalogue(), Arch: "x86_64",
		Records: r.Records, Fleet: r.Fleet, Queues: r.Queues, Metrics: r.Metrics, Groups: r.Groups, DecisionLog: r.DecisionLog, Shared: r.Shared, Answers: answers,
		Tuned: func() tuning.State { return tuning.State{Settings: set} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

// decides has the scheme decide on an arrival of a class: until then the rules are the
// safe ones.
func (r *rig) decides(class query.Class) {
	r.Helper()
	r.tick()
	err := r.Metrics.Put(r.Context(), platform.Point{Metric: telemetry.Arrivals.Name,
		Dimensions: telemetry.TaskClass("digits", string(class)), At: time.Now(), Value: 1})
	if err != nil {
		r.Fatal(err)
	}
	<-time.After(20 * time.Second)
	r.tick()
}

// reports has a worker of the pool report.
func (r *rig) reports(id string, state platform.WorkerState) {
	r.Helper()
	if _, err := r.Fleet.Report(r.Context(), platform.WorkerReport{ID: id, Pool: pool, State: state, At: time.Now(), Runners: 2}); err != nil {
		r.Fatal(err)
	}
}

// While a controller runs, a strict query of a caller that does not wait leaves idle workers that
// have stopped within two views and a hundredth, whenever between two views it comes, and those
// that have just reported within five.
func TestAStrictQueryLeavesStoppedWorkersInTwoViews(t *testing.T) {
	for stoppedFor, within := range map[time.Duration]time.Duration{
		5 * time.Second: 2010 * time.Millisecond,
		0:               5010 * time.Millisecond,
	} {
		for _, after := range []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, 999 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				set := settings.Defaults()
				set.Scheme = "mixed"
				r.Controller = r.handingOver(set, nil)
				r.decides(query.Strict)
				ran := make(chan struct{})
				ctx, stop := context.WithCancel(t.Context())
				go func() { defer close(ran); r.Controller.Run(ctx) }()
				<-time.After(3*time.Second + after)
				r.reports("w", platform.Ready)
				<-time.After(stoppedFor)
				if err := r.Queues.Send(t.Context(), platform.WorkQueue(pool, query.Strict), overflowtest.Query("q", query.Strict, 0)); err != nil {
					t.Fatal(err)
				}
				<-time.After(within)
				if d, err := r.Queues.Depth(t.Context(), platform.Overflow); err != nil || d.Visible != 1 {
					t.Errorf("stopped for %v, sent %v after a view: %v later the overflow queue holds %+v, error %v", stoppedFor, after, within, d, err)
				}
				stop()
				<-ran
			})
		}
	}
}

// A controller that runs hands over within seconds what comes after the last worker
// has left.
func TestRunHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.handingOver(settings.Defaults(), nil)
		ran := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { defer close(ran); c.Run(ctx) }()
		<-time.After(30 * time.Second)
		if err := r.Queues.Send(t.Context(), platform.WorkQueue(pool, query.Strict), overflowtest.Query("q", query.Strict, 0)); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		if d, err := r.Queues.Depth(t.Context(), platform.Overflow); err != nil || d.Visible != 1 {
			t.Errorf("the overflow queue holds %+v, error %v", d, err)
		}
		stop()
		<-ran
	})
}

// rests runs a controller once a minute, as the schedule does, until stop is called, and
// returns what counts its calls. The stage is at rest by then, and no tick
// falls on a minute's edge.
func (r *rig) rests(set settings.Settings) (n *counting, stop func()) {
	n = &counting{Queues: r.Queues, Fleet: r.Fleet, Metrics: r.Metrics}
	c := control.New(control.Options{
		Holder: "me", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: catalogue(), Arch: "x86_64",
		Records: r.Records, Fleet: n, Queues: n, Metrics: n, MetricsEvery: time.Minute, Rests: true, Groups: r.Groups, DecisionLog: r.DecisionLog,
		Tuned: func() tuning.State { return tuning.State{Settings: set} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ran := make(chan struct{})
	ctx, end := context.WithCancel(r.Context())
	go func() { // as the schedule does
		defer close(ran)
		for ctx.Err() == nil {
			began := time.Now()
			if n.leaveOut.Swap(false) {
				began = began.Add(5 * time.Second)
			} else {
				shift, over := context.WithTimeout(ctx, 59*time.Second)
				c.Run(shift)
				over()
			}
			n.ran.Add(int64(time.Since(began)))
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(began.Add(time.Minute))):
			}
		}
	}()
	<-time.After(2*time.Minute + time.Duration(set.TickSeconds/2*float64(time.Second)))
	return n, func() { end(); <-ran }
}

// A stage at rest whose load grows, or whose metrics cannot be read, is read again at the
// next tick, until they show newer seconds in which it did not; a small load that goes on is
// read once a minute.
func TestALoadThatComesAtRestIsReadAtEachTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		set.Fleet = settings.FleetFixed // the load is seen and changes nothing: the stage stays at rest
		n, stop := r.rests(set)
		defer stop()
		pulses := func(of time.Duration) float64 {
			before := n.pulses.Load()
			<-time.After(of)
			return float64(n.pulses.Load() - before)
		}
		load := func(seconds int, each float64) {
			for range seconds {
				err := r.Metrics.Put(t.Context(), platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass(catalogue().Current().Tasks[0].Name, string(query.Strict)), At: time.Now(), Value: each})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
		}
		load(120, 20)
		if got, ticks := pulses(time.Minute), 60/set.TickSeconds; got < ticks/3 {
			t.Errorf("%v readings in the minute after the load, want those of some %v ticks", got, ticks)
		}
		<-time.After(2 * time.Minute)
		if got := pulses(time.Minute); got != 1 {
			t.Errorf("%v readings a minute at rest again", got)
		}
		load(20*60, 1)
		before := n.pulses.Load()
		load(10*60, 1)
		if got := n.pulses.Load() - before; got != 10 {
			t.Errorf("%v readings in ten minutes of a steady load", got)
		}
	})
}

// Where the pulse of a reading is not shown, the run goes on until it is: what came before it
// would be known a minute later.
func TestAPulseThatIsNotShownIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		n, stop := r.rests(set)
		defer stop()
		reads := func() int64 {
			before := n.series.Load()
			<-time.After(time.Minute)
			return n.series.Load() - before
		}
		once := reads()
		n.lag.Store(int64(3 * set.TickSeconds * float64(time.Second)))
		if late := reads(); late <= once {
			t.Errorf("%d reads in a minute in which points are late, %d otherwise", late, once)
		}
	})
}

// A load that comes at rest is known by the first reading after it, also where points are
// shown seconds after they were put: from then on each tick reads.
func TestALoadAtRestIsKnownByTheNextReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		set.Fleet = settings.FleetFixed
		n, stop := r.rests(set)
		defer stop()
		n.lag.Store(int64(5 * time.Second))
		r.load(90, 20)
		before := n.pulses.Load()
		<-time.After(time.Duration(2 * set.TickSeconds * float64(time.Second)))
		if got := n.pulses.Load() - before; got < 2 {
			t.Errorf("%d readings in two ticks, a minute and a half after a load came", got)
		}
	})
}

// counting counts what a controller asks of the queues and the metrics, and how often it
// publishes.
type counting struct {
	control.Queues
	control.Fleet
	platform.Metrics
	depths, views, series, pulses atomic.Int64
	ran                           atomic.Int64 // nanoseconds
	lag                           atomic.Int64 // nanoseconds until a point is shown
	slow                          atomic.Int64 // nanoseconds that a count of a queue takes
	leaveOut                      atomic.Bool  // the next run, and those after it come 5 s late
	viewed                        atomic.Value // func(platform.FleetView): is given each view
}

func (c *counting) Series(ctx context.Context, metric string, dims []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	c.series.Add(1)
	if lag := time.Duration(c.lag.Load()); lag > 0 && to.After(time.Now().Add(-lag)) {
		to = time.Now().Add(-lag)
	}
	return c.Metrics.Series(ctx, metric, dims, from, to, period)
}

func (c *counting) Put(ctx context.Context, points ...platform.Point) error {
	for _, p := range points {
		if p.Metric == telemetry.Pulse.Name {
			c.pulses.Add(1)
		}
	}
	return c.Metrics.Put(ctx, points...)
}

func (c *counting) Depth(ctx context.Context, q platform.QueueName) (platform.Depth, error) {
	c.depths.Add(1)
	<-time.After(time.Duration(c.slow.Load()))
	return c.Queues.Depth(ctx, q)
}

func (c *counting) PublishView(ctx context.Context, v platform.FleetView) error {
	c.views.Add(1)
	if f, ok := c.viewed.Load().(func(platform.FleetView)); ok {
		f(v)
	}
	return c.Fleet.PublishView(ctx, v)
}

// A run of the controller ends once a stage is at rest: it is written, counted and read as
// often as its bill says. With a query that waits the next run goes on, and writes the view
// once a second again and reads the arrivals at each tick.
func TestTheControllerOfAStageAtRestEndsItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		set := settings.Defaults()
		n, stop := r.rests(set)
		defer stop()
		// in asks how often the stage was counted and written in the next minute, its metrics
		// read and its pulse put, and for how many seconds the controller ran.
		in := func() (depths, views, series, pulses, ran float64) {
			d, v, s, p, at := n.depths.Load(), n.views.Load(), n.series.Load(), n.pulses.Load(), n.ran.Load()
			<-time.After(time.Minute)
			return float64(n.depths.Load() - d), float64(n.views.Load() - v), float64(n.series.Load() - s), float64(n.pulses.Load() - p),
				time.Duration(n.ran.Load() - at).Seconds()
		}
		rest := pricing.AtRest(pricing.Deployment{Pools: 1, Tasks: 1, TickSeconds: set.TickSeconds, ViewSeconds: set.ViewSeconds})
		ticks := rest.TicksPerMinute
		if depths, views, series, pulses, ran := in(); depths != rest.QueueDepthsPerTick*ticks || views != ticks || series != rest.MetricsAskedPerMinute || pulses != rest.MetricPutsPerMinute || ran > rest.ControllerSecondsPerMinute {
			t.Errorf("at rest %v depths, %v views, %v metrics, %v pulses a minute and %v s, want %v, %v, %v, %v and %v",
				depths, views, series, pulses, ran, rest.QueueDepthsPerTick*ticks, ticks, rest.MetricsAskedPerMinute, rest.MetricPutsPerMinute, rest.ControllerSecondsPerMinute)
		}
		<-time.After(time.Duration(set.TickSeconds * float64(time.Second))) // the run has ended
		if v, err := r.Fleet.View(t.Context()); err != nil || !v.Pools[0].Rests {
			t.Errorf("the view says %+v, error %v", v.Pools, err)
		}
		if err := r.Queues.Send(t.Context(), platform.WorkQueue(pool, query.Strict), overflowtest.Query("q", query.Strict, 0)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		// Of the bill's metrics the ages of two queues are the backend's.
		asked := rest.BusyMetricsAskedPerMinute - 2
		if _, views, series, pulses, _ := in(); views < 0.8*60/set.ViewSeconds || pulses != rest.BusyTicksPerMinute || series != asked {
			t.Errorf("%v views, %v metrics and %v pulses in the minute in which a query came, want some %v, %v and %v",
				views, series, pulses, 60/set.ViewSeconds, asked, rest.BusyTicksPerMinute)
		}
		if v, err := r.Fleet.View(t.Context()); err != nil || v.Pools[0].Rests {
			t.Errorf("the view says %+v, error %v", v.Pools, err)
		}
	})
}
