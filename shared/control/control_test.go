package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local"
	"paragon/shared/cloud/tuning"
	"paragon/shared/control"
	"paragon/shared/core/placement"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
)

const pool = "main"

func catalogue() *profile.Catalogue {
	model := func(name, file string, p50 float64) profile.Model {
		return profile.Model{Name: name, File: file, Latency: []profile.Latency{
			{Resource: "c5.large", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: p50}}}}
	}
	return &profile.Catalogue{
		Models:    []profile.Model{model("a", "a.onnx", 10), model("b", "b.onnx", 30), model("figures only", "", 9000)},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2}},
	}
}

// flaky is a store that fails as often as it is told.
type flaky struct {
	cloud.Store
	fail atomic.Int64
}

func (f *flaky) Finish(ctx context.Context, id string, o query.Outcome) (query.Record, bool, error) {
	if f.fail.Add(-1) >= 0 {
		return query.Record{}, false, cloud.ErrUnavailable
	}
	return f.Store.Finish(ctx, id, o)
}

type rig struct {
	*testing.T
	home *local.Home
	cloud.Home
	store *flaky
	*control.Controller
}

func newRig(t *testing.T) *rig {
	t.Helper()
	h, err := local.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, home: h, Home: h.Cloud()}
	r.store = &flaky{Store: r.Store}
	r.Controller = control.New(control.Options{
		Holder: "me", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: catalogue(), Arch: "x86_64",
		Store: r.store, Fleet: r.Fleet, Queues: r.Queues, Metrics: r.Metrics, Groups: r.Groups, Ledger: r.Ledger,
		Tuned: func() tuning.State { return tuning.State{Settings: settings.Defaults()} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

func (r *rig) close() {
	if err := r.home.Close(); err != nil {
		r.Error(err)
	}
}

func (r *rig) submit(id string, class query.Class, lives time.Duration) {
	r.Helper()
	now := time.Now()
	rec := query.Record{ID: id, State: query.Placed, Class: class, AcceptedAt: now, ExpiresAt: now.Add(lives),
		ForgetAt: now.Add(time.Hour), Placement: string(cloud.WorkQueue(pool, class))}
	if _, _, err := r.Store.Accept(r.Context(), rec, cloud.WorkQueue(pool, class), query.Message{ID: id, Class: class}); err != nil {
		r.Fatal(err)
	}
}

func TestSweepEndsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		for i := range 250 { // more than are read at once
			r.submit(fmt.Sprint(i), query.Relaxed, time.Minute)
		}
		r.submit("young", query.Relaxed, 10*time.Minute)
		r.submit("done", query.Relaxed, time.Minute)
		if _, _, err := r.Store.Finish(t.Context(), "done", query.Outcome{State: query.Succeeded}); err != nil {
			t.Fatal(err)
		}
		<-time.After(61 * time.Second)
		if err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 250 {
			rec, err := r.Store.Get(t.Context(), fmt.Sprint(i))
			if err != nil || rec.State != query.Expired || rec.Outcome.Failure.Code != query.TimedOut ||
				!strings.Contains(rec.Outcome.Failure.Detail, "within 60 s; it was sent to work-relaxed-main") {
				t.Fatalf("query %d: %s, %+v, error %v", i, rec.State, rec.Outcome, err)
			}
		}
		for id, want := range map[string]query.State{"young": query.Placed, "done": query.Succeeded} {
			if rec, _ := r.Store.Get(t.Context(), id); rec.State != want {
				t.Errorf("query %s: %s, want %s", id, rec.State, want)
			}
		}
		<-time.After(time.Hour)
		if err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Store.Get(t.Context(), "done"); !errors.Is(err, cloud.ErrNotFound) {
			t.Errorf("an old query is not forgotten: %v", err)
		}
	})
}

// Every query is ended at most one sweep after its expiry, also when the store
// was away for a sweep.
func TestRunSweepsAgainAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.submit("q", query.Strict, 15*time.Second)
		r.store.fail.Store(1)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Controller.Run(ctx) }()
		began := time.Now()
		rec, err := r.Store.Wait(t.Context(), "q")
		if err != nil || rec.State != query.Expired || time.Since(began) != 30*time.Second {
			t.Errorf("%s after %v, error %v; the sweep at 20 s failed", rec.State, time.Since(began), err)
		}
		v, err := r.Fleet.View(t.Context())
		if err != nil || time.Since(v.At) > time.Second {
			t.Errorf("view of %v, error %v", v.At, err)
		}
		stop()
		<-done
	})
}

func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		report := func(id string, state cloud.WorkerState, strictMS float64) {
			t.Helper()
			_, err := r.Fleet.Report(t.Context(), cloud.WorkerReport{ID: id, Pool: pool, State: state, At: time.Now(),
				Runners: 2, StrictMS: strictMS, RelaxedMS: 500})
			if err != nil {
				t.Fatal(err)
			}
		}
		report("silent", cloud.Ready, 1000)
		<-time.After(31 * time.Second)
		report("busy", cloud.Ready, 400)
		report("idle", cloud.Ready, 10)
		report("leaving", cloud.Draining, 100)
		report("coming", cloud.Booting, 0)
		r.submit("s1", query.Strict, time.Minute)
		r.submit("s2", query.Strict, time.Minute)
		r.submit("r1", query.Relaxed, time.Minute)
		<-time.After(100 * time.Millisecond)
		if err := r.PublishView(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := r.Fleet.View(t.Context())
		if err != nil || len(v.Pools) != 1 || !v.At.Equal(v.Pools[0].At) {
			t.Fatalf("view %+v, error %v", v, err)
		}
		got := v.Pools[0]
		got.At = time.Time{}
		// Two queued strict queries of 20 ms; of 400 and 10 ms reported, two
		// runners each worked 100 ms off.
		want := placement.Pool{Name: pool, InstanceType: "c5.large", Workers: 2, Runners: 4, StrictMS: 40 + 200, RelaxedMS: 20 + 1000}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}
