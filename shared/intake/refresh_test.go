package intake

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// slowVotes are votes whose reads can be held up and are counted.
type slowVotes struct {
	platform.Votes
	reads atomic.Int64
	hold  atomic.Pointer[chan struct{}]
}

func (v *slowVotes) VotesAfter(ctx context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error) {
	v.reads.Add(1)
	if hold := v.hold.Load(); hold != nil {
		<-*hold
	}
	return v.Votes.VotesAfter(ctx, cursor, limit)
}

// A source that hangs holds up nobody once there is something to go on with:
// one read is under way, and the takes end while it is.
func TestNoTakeWaitsForASlowSource(t *testing.T) {
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "votes.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	votes, fleet := &slowVotes{Votes: backend}, &counted{}
	d := newTestService(t, func(c *Config) { c.Votes = votes; fleet.Fleet, c.Fleet = c.Fleet, fleet })
	d.publish(t, 2)
	d.submit(t, request(1000)) // the first reads inline
	hold := make(chan struct{})
	votes.hold.Store(&hold)
	fleet.hold = hold
	d.clock.advance(platform.VotesFresh)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if r := d.submit(t, request(1000)); r.Placement != "work-strict-general" {
				t.Errorf("without the last view it went to %s", r.Placement)
			}
		})
	}
	all.Wait() // while both reads hang
	close(hold)
	d.Settle()
	if v, f := votes.reads.Load(), fleet.reads.Load(); v != 2 || f != 2 {
		t.Errorf("%d reads of the votes and %d of the view, want 2 of each", v, f)
	}
}

// A process that had nothing to do until its view was out of date waits
// for a new one, rather than to take the workers for gone.
func TestAfterARestTheViewIsReadFirst(t *testing.T) {
	d := newTestService(t, nil)
	d.publish(t, 2)
	d.submit(t, request(1000))
	d.clock.advance(time.Hour)
	d.publish(t, 2)
	if r := d.submit(t, request(1000)); r.Placement != "work-strict-general" {
		t.Errorf("with two runners it went to %s", r.Placement)
	}
}

// A caller that leaves takes nothing from those who wait for the same first read.
func TestTheFirstReadOutlivesItsCaller(t *testing.T) {
	d := newTestService(t, nil)
	d.publish(t, 2)
	gone, leave := context.WithCancel(t.Context())
	leave()
	d.refreshView(gone)
	d.Settle()
	if runners, _ := d.fleet.load("general", d.clock.now(), d.Service.Settings()); runners != 2 {
		t.Errorf("%d runners are known", runners)
	}
}
