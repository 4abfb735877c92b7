package control_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// counted is a fleet whose workers have only counted.
type counted struct {
	tallies map[string]map[string]tally.Snapshot
	reads   int
	fail    error
	view    platform.FleetView
	workers int
}

func (f *counted) Tallies(_ context.Context, pool string) (map[string]tally.Snapshot, error) {
	f.reads++
	return f.tallies[pool], f.fail
}
func (f *counted) PublishView(_ context.Context, v platform.FleetView) error { f.view = v; return nil }
func (f *counted) SetDesired(context.Context, string, int) error             { return nil }
func (f *counted) Drain(context.Context, string, ...string) error            { return nil }
func (f *counted) Replace(context.Context, string, int, ...string) error     { return nil }
func (f *counted) Workers(context.Context, string) (ws []platform.WorkerReport, _ error) {
	for i := range f.workers {
		ws = append(ws, platform.WorkerReport{ID: fmt.Sprint(i), Pool: pool, State: platform.Ready, At: time.Now(), Runners: 2})
	}
	return ws, nil
}

// report stores what a worker has counted until now.
func (f *counted) report(pool, id string, b *tally.Book) {
	if f.tallies[pool] == nil {
		f.tallies[pool] = map[string]tally.Snapshot{}
	}
	f.tallies[pool][id] = b.Snapshot(time.Now())
}

// values are shared values in memory.
type values struct {
	platform.Shared
	mu      sync.Mutex
	value   []byte
	version int64
	writes  int
	fail    error
}

func (v *values) ReadShared(context.Context, string) ([]byte, int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, v.version, v.fail
}

func (v *values) SwapShared(_ context.Context, _ string, value []byte, version int64) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if version != v.version {
		return 0, platform.ErrConflict
	}
	v.value, v.version, v.writes = value, version+1, v.writes+1
	return v.version, v.fail
}

// follower is a controller that publishes what the workers counted.
func (r *rig) follower(f control.Fleet, s platform.Shared) *control.Controller {
	return r.recorder(f, s, nil)
}

// recorder is a follower that writes the past too.
func (r *rig) recorder(f control.Fleet, s platform.Shared, past platform.Timeline, more ...func(*control.Options)) *control.Controller {
	known := catalogue()
	known.Instances[0].USDPerHour = workerUSD
	o := control.Options{
		Holder: "follower", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: known, Fleet: f, Queues: r.Queues, DecisionLog: r.DecisionLog,
		Shared: s, Timeline: past, Tuned: func() tuning.State { return tuning.State{Settings: settings.Defaults()} }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range more {
		change(&o)
	}
	return control.New(o)
}

func answer(b *tally.Book, n int) {
	for range n {
		b.Ended(tally.Key{Task: "t", Model: "m", Class: query.Strict, Resource: "c5.large"}, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 10})
	}
}

// publish publishes the view, and returns how many answers it reports in the
// last minute and in the last hour.
func (r *rig) publish(c *control.Controller, f *counted) (minute, hour int64) {
	r.Helper()
	for range 2 { // tallies that are due are read behind the first view
		if err := c.PublishView(r.Context()); err != nil {
			r.Fatal(err)
		}
		synctest.Wait()
	}
	for _, w := range []struct {
		loads []tally.Load
		to    *int64
	}{{f.view.Traffic.Minute, &minute}, {f.view.Traffic.Hour, &hour}} {
		if len(w.loads) > 0 {
			*w.to = w.loads[0].Answered
		}
	}
	return minute, hour
}

func TestTheViewListsTheLastQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}
		c := r.follower(fleet, shared)
		worker, function := tally.NewBook(time.Now()), tally.NewBook(time.Now())
		hold := func(what string, minute, hour int64) {
			t.Helper()
			if m, h := r.publish(c, fleet); m != minute || h != hour {
				t.Errorf("%s: %d in the last minute and %d in the hour, want %d and %d", what, m, h, minute, hour)
			}
		}
		hold("nothing was counted", 0, 0)
		answer(worker, 3)
		fleet.report(pool, "w", worker)
		<-time.After(time.Second)
		hold("not read anew before a heartbeat", 0, 0)
		<-time.After(10 * time.Second)
		hold("a worker", 3, 3)
		answer(function, 4)
		fleet.report(platform.FunctionsPool, "w", function)
		<-time.After(10 * time.Second)
		hold("a function of the same name", 7, 7)
		reads := fleet.reads
		hold("at once again", 7, 7)
		if fleet.reads != reads {
			t.Error("tallies are read with every view")
		}
		fleet.fail = errors.New("throttled")
		answer(worker, 1)
		fleet.report(pool, "w", worker)
		<-time.After(10 * time.Second)
		hold("what is read with an error counts too", 8, 8)
		fleet.fail = nil
		<-time.After(2 * time.Minute)
		hold("the minute is over", 0, 8)
		c = r.follower(fleet, shared)
		hold("another controller goes on", 0, 8)
		answer(worker, 2)
		fleet.report(pool, "w", worker)
		<-time.After(10 * time.Second)
		hold("and counts on", 2, 10)
	})
}

func TestHistoriesAreWrittenOnceAMinuteByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{fail: errors.New("throttled")}
		a, b := r.follower(fleet, shared), r.follower(fleet, shared)
		book := tally.NewBook(time.Now())
		if _, hour := r.publish(a, fleet); hour != 0 || !fleet.view.Traffic.IsZero() {
			t.Errorf("traffic %+v of a history that could not be read", fleet.view.Traffic)
		}
		shared.fail = nil
		for range 60 {
			answer(book, 1)
			fleet.report(pool, "w", book)
			<-time.After(10 * time.Second)
			r.publish(a, fleet)
			r.publish(b, fleet)
		}
		if shared.writes < 9 || shared.writes > 12 {
			t.Errorf("%d writes in ten minutes", shared.writes)
		}
		for _, c := range []*control.Controller{a, b} {
			if _, hour := r.publish(c, fleet); hour != 60 {
				t.Errorf("%d answers in the hour, want 60", hour)
			}
		}
	})
}

// A history that is too large for a row is written without what each worker
// counted: then the next controller begins with each where it is.
func TestALargeHistoryStaysWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}
		c, random := r.follower(fleet, shared), rand.New(rand.NewPCG(1, 2))
		r.publish(c, fleet)
		for w := range 40 {
			book := tally.NewBook(time.Now())
			for m := range 100 {
				k := tally.Key{Task: "t", Model: fmt.Sprint(m), Class: query.Strict}
				for range 40 {
					ms := binary.BigEndian.AppendUint64(nil, random.Uint64())
					book.Ended(k, tally.Observation{State: query.Succeeded, LatencyMS: float64(ms[0]) * float64(ms[1]), WaitMS: float64(ms[2]) * float64(ms[3]), CostUSD: random.Float64()})
				}
			}
			fleet.report(pool, fmt.Sprint(w), book)
		}
		<-time.After(time.Minute)
		if _, hour := r.publish(c, fleet); hour != 40*100*40 {
			t.Fatalf("%d answers", hour)
		}
		if raw, err := control.Unpack(shared.value); err != nil || len(shared.value) > 300<<10 || !bytes.Contains(raw, []byte(`"tracker":{"start":"`)) || bytes.Contains(raw, []byte(`"sources"`)) {
			t.Errorf("%d bytes were written, error %v: %.300s", len(shared.value), err, raw)
		}
		before := fleet.view.Traffic
		again := r.follower(fleet, shared)
		r.publish(again, fleet)
		if d := cmp.Diff(before.Hour, fleet.view.Traffic.Hour); d != "" {
			t.Errorf("the next controller knows otherwise:\n%s", d)
		}
	})
}
