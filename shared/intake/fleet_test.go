package intake

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/platform"
)

// counted is a fleet whose reads of the view can be held up and are counted.
type counted struct {
	Fleet
	reads atomic.Int64
	err   atomic.Pointer[error]
	hold  chan struct{}
}

func (c *counted) View(ctx context.Context) (platform.FleetView, error) {
	c.reads.Add(1)
	if c.hold != nil {
		<-c.hold
	}
	if err := c.err.Load(); err != nil {
		return platform.FleetView{}, *err
	}
	return c.Fleet.View(ctx)
}

func TestTheViewIsReadOnceATimeHoweverManyCome(t *testing.T) {
	f := &counted{hold: make(chan struct{})}
	d := newTestService(t, func(c *Config) { f.Fleet = c.Fleet; c.Fleet = f })
	d.publish(t, 2)
	var all sync.WaitGroup
	var onWorkers atomic.Int64
	for range 10 {
		all.Go(func() {
			if d.submit(t, request(1000)).Placement == "work-strict-general" {
				onWorkers.Add(1)
			}
		})
	}
	close(f.hold)
	all.Wait()
	if f.reads.Load() != 1 || onWorkers.Load() != 10 {
		t.Errorf("%d reads; %d of 10 found the pool that was there", f.reads.Load(), onWorkers.Load())
	}
	d.submit(t, request(1000))
	d.clock.advance(time.Second)
	d.submit(t, request(1000))
	d.Settle()
	if f.reads.Load() != 2 {
		t.Errorf("%d reads after view_seconds", f.reads.Load())
	}
}

func TestAViewThatCannotBeReadStaysUntilItIsTooOld(t *testing.T) {
	f := &counted{}
	d := newTestService(t, func(c *Config) { f.Fleet = c.Fleet; c.Fleet = f })
	d.publish(t, 2)
	d.submit(t, request(1000))
	broken := errors.New("the store is away")
	f.err.Store(&broken)
	d.clock.advance(30 * time.Second)
	if rec := d.submit(t, request(1000)); rec.Placement != "work-strict-general" {
		t.Errorf("with a view of 30 s it went to %s", rec.Placement)
	}
	d.clock.advance(time.Second)
	if rec := d.submit(t, request(1000)); rec.Placement != string(platform.Overflow) {
		t.Errorf("nobody looks after the fleet, and it went to %s", rec.Placement)
	}
}

func TestStrictWorkSentCountsUntilItIsWorkedOff(t *testing.T) {
	d := newTestService(t, nil)
	d.publish(t, 1)
	fits := 0 // 20 ms each for those ahead, 30 ms at p99 for itself: the fourth of a budget of 100-15 ms would be late
	for d.submit(t, request(100)).Placement == "work-strict-general" {
		fits++
	}
	if fits != 3 {
		t.Errorf("%d queries fit, want 3", fits)
	}
	d.clock.advance(30 * time.Millisecond)
	if rec := d.submit(t, request(100)); rec.Placement != "work-strict-general" {
		t.Errorf("after one was worked off, it went to %s", rec.Placement)
	}
}

func TestAWorkerThatHasJustComeIsSeenSoon(t *testing.T) {
	for _, tc := range []struct {
		name    string
		booting int // in the view before
		after   time.Duration
		want    string
	}{
		{"one that was on its way", 1, 50 * time.Millisecond, "work-strict-general"},
		{"none was on its way, and none can have come so soon", 0, 14 * time.Second, string(platform.Overflow)},
		{"none was on its way", 0, 15 * time.Second, "work-strict-general"},
	} {
		d := newTestService(t, nil)
		before := platform.FleetView{At: start, Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large", Booting: tc.booting, At: start}}}
		if err := d.Backend.Fleet.PublishView(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if rec := d.submit(t, request(1000)); rec.Placement != string(platform.Overflow) {
			t.Errorf("%s: without workers it went to %s", tc.name, rec.Placement)
		}
		d.clock.advance(tc.after)
		d.publish(t, 2)
		d.submit(t, request(1000))
		d.Settle()
		if rec := d.submit(t, request(1000)); rec.Placement != tc.want {
			t.Errorf("%s: with a worker it went to %s, want %s", tc.name, rec.Placement, tc.want)
		}
	}
}
