package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

const pool = "main"

func catalogue() *profile.Catalogue {
	model := func(name, file string, p50 float64) profile.Model {
		return profile.Model{Name: name, File: file, Latency: []profile.Latency{
			{Resource: "c5.large", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: p50}}}}
	}
	return &profile.Catalogue{
		Tasks:     []profile.Task{{Name: "t"}},
		Models:    []profile.Model{model("a", "a.onnx", 10), model("b", "b.onnx", 30), model("figures only", "", 9000)},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2}},
	}
}

type rig struct {
	*testing.T
	backend *sqlite.Backend
	platform.Backend
	*control.Controller
}

func newRig(t *testing.T) *rig {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, backend: h, Backend: h.Platform()}
	r.Controller = r.another("me")
	return r
}

// another is a controller of the same stage.
func (r *rig) another(holder string) *control.Controller {
	return control.New(control.Options{
		Holder: holder, Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: catalogue(), Arch: "x86_64",
		Records: r.Records, Fleet: r.Fleet, Queues: r.Queues, Metrics: r.Metrics, Groups: r.Groups, DecisionLog: r.DecisionLog,
		Tuned: func() tuning.State { return tuning.State{Settings: settings.Defaults()} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

func (r *rig) close() {
	if err := r.backend.Close(); err != nil {
		r.Error(err)
	}
}

// submit puts the message of a query on its work queue.
func (r *rig) submit(id string, class query.Class) {
	r.Helper()
	if err := r.Queues.Send(r.Context(), platform.WorkQueue(pool, class), query.Message{ID: id, Class: class}); err != nil {
		r.Fatal(err)
	}
}

// A run publishes the view at once, and ticks.
func TestRunPublishesTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Controller.Run(ctx) }()
		<-time.After(time.Minute)
		v, err := r.Fleet.View(t.Context())
		if err != nil || time.Since(v.At) > time.Second {
			t.Errorf("view of %v, error %v", v.At, err)
		}
		es, err := r.DecisionLog.Entries(t.Context(), platform.EntryQuery{Pool: pool, Limit: 100})
		if err != nil || len(es) < 5 {
			t.Errorf("%d ticks in a minute, error %v", len(es), err)
		}
		stop()
		<-done
	})
}

// The view lists the models that fail on every ready worker, and no other: one worker that
// runs a model is enough for its queries.
func TestTheViewListsWhatFailsOnEveryWorker(t *testing.T) {
	for _, tc := range []struct {
		name    string
		workers map[string][]string // the models that fail on each, by id
		booting string              // which of them boots still
		want    []string
	}{
		{"nobody", nil, "", nil},
		{"one", map[string][]string{"w1": {"net"}}, "", []string{"net"}},
		{"one of two", map[string][]string{"w1": {"net"}, "w2": nil}, "", nil},
		{"both", map[string][]string{"w1": {"net", "tree"}, "w2": {"net"}}, "", []string{"net"}},
		{"another boots", map[string][]string{"w1": {"net"}, "w2": nil}, "w2", []string{"net"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				for id, models := range tc.workers {
					report := platform.WorkerReport{ID: id, Pool: pool, State: platform.Ready, At: time.Now(), Runners: 1}
					if id == tc.booting {
						report.State = platform.Booting
					}
					for _, m := range models {
						report.Broken = append(report.Broken, breaker.Open{Model: m, Until: time.Now().Add(time.Minute), Why: "no such operator"})
					}
					if _, err := r.Fleet.Report(t.Context(), report); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.PublishView(t.Context()); err != nil {
					t.Fatal(err)
				}
				v, err := r.Fleet.View(t.Context())
				if err != nil || len(v.Pools) != 1 {
					t.Fatalf("view %+v, error %v", v, err)
				}
				var got []string
				for _, o := range v.Pools[0].Broken {
					if !o.Until.After(time.Now()) || o.Why != "no such operator" {
						t.Errorf("listed as %+v", o)
					}
					got = append(got, o.Model)
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("the view lists %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// The view lists what fails on functions in any process that runs queries there, until it is
// tried again or has answered.
func TestTheViewListsWhatFailsOnFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		began := time.Now()
		report := func(id string, of string, open ...breaker.Open) {
			t.Helper()
			s := tally.Snapshot{Since: began, At: time.Now(), Broken: open}
			if _, err := r.Fleet.Report(t.Context(), platform.WorkerReport{ID: id, Pool: of, State: platform.Ready, At: time.Now(), Tallies: s}); err != nil {
				t.Fatal(err)
			}
		}
		open := func(model string, after time.Duration) breaker.Open {
			return breaker.Open{Model: model, Until: time.Now().Add(after), Why: "no such operator"}
		}
		lists := func(when string, want ...string) {
			t.Helper()
			<-time.After(11 * time.Second) // the counts are read once a heartbeat
			for range 2 {                  // a view does not wait for a reading
				if err := r.PublishView(t.Context()); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Millisecond)
			}
			v, err := r.Fleet.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range v.BrokenOnFunctions {
				got = append(got, o.Model)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		report("dispatcher-1", platform.FunctionsPool)
		lists("all is well")
		report("dispatcher-2", platform.FunctionsPool, open("net", time.Minute), open("tree", time.Hour))
		report("w", pool, open("forest", time.Minute))
		lists("in two processes", "forest", "net", "tree")
		report("dispatcher-2", platform.FunctionsPool, open("net", 30*time.Second))
		lists("one has answered", "forest", "net")
		lists("one is tried again", "forest", "net")
		lists("and then", "forest")
	})
}

// The view lists the models that functions lately answered with nearly no cold start, and
// forgets them a minute after the last answer.
func TestTheViewListsWarmFunctions(t *testing.T) {
	for _, tc := range []struct {
		name       string
		runs, cold int
		want       []string
	}{
		{"none ran", 0, 0, nil},
		{"one ran, cold", 1, 1, nil},
		{"one ran, warm", 1, 0, []string{"net"}},
		{"one in twenty was cold", 20, 1, nil},
		{"one in twenty-one was cold", 21, 1, []string{"net"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.close()
				book := tally.NewBook(time.Now())
				lists := func() []string {
					t.Helper()
					if err := platform.ReportTallies(t.Context(), r.Fleet, "dispatcher-1", book.Snapshot(time.Now())); err != nil {
						t.Fatal(err)
					}
					for range 3 { // a view does not wait for a reading, and lists what the last one has found
						<-time.After(6 * time.Second)
						if err := r.PublishView(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					v, err := r.Fleet.View(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					return v.WarmFunctions
				}
				if got := lists(); len(got) > 0 {
					t.Errorf("before any answer: %v", got)
				}
				for i := range tc.runs {
					book.Ended(tally.Key{Task: "t", Model: "net", Class: query.Relaxed, Resource: "lambda-arm64", MemoryMB: 1024}, tally.Observation{State: query.Succeeded, Overflowed: true, Cold: i < tc.cold})
				}
				book.Ended(tally.Key{Task: "t", Model: "on workers alone", Class: query.Relaxed}, tally.Observation{State: query.Succeeded})
				if got := lists(); !slices.Equal(got, tc.want) {
					t.Errorf("the view lists %v, want %v", got, tc.want)
				}
				<-time.After(time.Minute)
				if got := lists(); len(got) > 0 {
					t.Errorf("after a minute without answers: %v", got)
				}
			})
		})
	}
}

// Of many dispatchers one fails with a model with which the others answer: the stage goes on
// with it. When the others answer no more, or fail too, the view lists it.
func TestOneBadDispatcherStopsNoModel(t *testing.T) {
	for _, end := range []string{"nobody answers", "others fail too"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.close()
			const dispatchers = 6
			books := make([]*tally.Book, dispatchers)
			for i := range books {
				books[i] = tally.NewBook(time.Now())
			}
			broken := map[int]bool{0: true}
			answers := true
			for i, b := range books {
				b.OnFunctions(func() []breaker.Open {
					if !broken[i] {
						return nil
					}
					return []breaker.Open{{Model: "net", Until: time.Now().Add(time.Hour), Why: "no such operator"}}
				})
			}
			view := func() (models []string) {
				t.Helper()
				for range 12 {
					for i, b := range books {
						if answers && !broken[i] {
							b.Ended(tally.Key{Task: "t", Model: "net", Resource: "lambda-arm64", MemoryMB: 1024}, tally.Observation{State: query.Succeeded, Met: true, Overflowed: true})
						}
						if err := platform.ReportTallies(t.Context(), r.Fleet, fmt.Sprint("dispatcher-", i), b.Snapshot(time.Now())); err != nil {
							t.Fatal(err)
						}
					}
					<-time.After(5 * time.Second)
					if err := r.PublishView(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				v, err := r.Fleet.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range v.BrokenOnFunctions {
					models = append(models, o.Model)
				}
				return models
			}
			if got := view(); len(got) > 0 {
				t.Errorf("one of %d fails: %v", dispatchers, got)
			}
			if end == "nobody answers" {
				answers = false
			} else {
				broken[1], broken[2], broken[3] = true, true, true
			}
			if got := view(); !slices.Equal(got, []string{"net"}) {
				t.Errorf("%s: %v", end, got)
			}
		})
	}
}

func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		report := func(id string, state platform.WorkerState, strictMS float64) {
			t.Helper()
			busy := 0
			if id == "busy" {
				busy = 2
			}
			_, err := r.Fleet.Report(t.Context(), platform.WorkerReport{ID: id, Pool: pool, State: state, At: time.Now(),
				Runners: 2, Busy: busy, StrictMS: strictMS, RelaxedMS: 500, Addr: id + ":8080"})
			if err != nil {
				t.Fatal(err)
			}
		}
		report("silent", platform.Ready, 1000)
		<-time.After(31 * time.Second)
		report("busy", platform.Ready, 400)
		report("idle", platform.Ready, 10)
		heard := time.Now()
		report("leaving", platform.Draining, 100)
		report("coming", platform.Booting, 0)
		r.submit("s1", query.Strict)
		r.submit("s2", query.Strict)
		r.submit("r1", query.Relaxed)
		<-time.After(100 * time.Millisecond)
		if err := r.PublishView(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Offers go to who is ready, alive and has a slot.
		if v, err := r.Fleet.View(t.Context()); err != nil || len(v.Peers) != 1 || v.Peers[0] != (platform.Peer{ID: "idle", Pool: pool, Addr: "idle:8080", Free: 2}) {
			t.Errorf("peers %+v, error %v", v.Peers, err)
		}
		v, err := r.Fleet.View(t.Context())
		if err != nil || len(v.Pools) != 1 || !v.At.Equal(v.Pools[0].At) {
			t.Fatalf("view %+v, error %v", v, err)
		}
		got := v.Pools[0]
		got.At = time.Time{}
		// Two queued strict queries of 20 ms; of 400 and 10 ms reported, two
		// runners each worked 100 ms off.
		want := placement.Pool{Name: pool, InstanceType: "c5.large", Workers: 2, Runners: 4, Booting: 1, StrictMS: 40 + 200, RelaxedMS: 20 + 1000, Heard: heard.UTC()}
		got.Heard = got.Heard.UTC()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// The view counts what waits by the service time that the last tick measured,
// as the tick itself does, and not by the mean of the catalogue's models: of
// models whose times differ twentyfold one alone may be asked for.
func TestTheViewGoesByTheMeasuredMean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		asked := func(at time.Time) {
			t.Helper()
			err := r.Metrics.Put(t.Context(),
				platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("t", string(query.Strict)), At: at, Value: 4},
				platform.Point{Metric: telemetry.ArrivalWork.Name, At: at, Value: 4 * 10})
			if err != nil {
				t.Fatal(err)
			}
		}
		tick := func() {
			t.Helper()
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		tick()
		asked(time.Now())
		<-time.After(20 * time.Second)
		tick()
		r.submit("s1", query.Strict)
		r.submit("s2", query.Strict)
		if err := r.PublishView(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := r.Fleet.View(t.Context())
		if err != nil || v.Pools[0].StrictMS != 2*10 {
			t.Errorf("view %+v, error %v; two queries of 10 ms wait", v.Pools, err)
		}
	})
}

// Shifts that follow each other leave no tick out, whether the next one starts a
// little before or after the last one ends.
func TestNoTickIsLeftOutBetweenShifts(t *testing.T) {
	for _, starts := range []time.Duration{56 * time.Second, 60 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.close()
			next := r.another("the next")
			shift := func(c *control.Controller) func() {
				return func() {
					ctx, end := context.WithTimeout(t.Context(), 59*time.Second)
					defer end()
					c.Run(ctx)
				}
			}
			var shifts sync.WaitGroup
			shifts.Go(shift(r.Controller))
			<-time.After(starts)
			shifts.Go(shift(next))
			shifts.Wait()
			es, err := r.DecisionLog.Entries(t.Context(), platform.EntryQuery{Pool: pool, Limit: 100})
			if err != nil || len(es) < 11 {
				t.Fatalf("%d ticks, error %v", len(es), err)
			}
			most := time.Duration(settings.Defaults().TickSeconds) * time.Second
			for i := range len(es) - 1 {
				if gap := es[i].At.Sub(es[i+1].At); gap > most {
					t.Errorf("%v between two ticks, where the next shift starts after %v", gap, starts)
				}
			}
		})
	}
}
