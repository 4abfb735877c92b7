package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

func worker(id string, s platform.WorkerState) platform.WorkerReport {
	return platform.WorkerReport{ID: id, Pool: "p", State: s}
}

// The end of a worker's process counts in what it held, and that of one which was declared
// dead, or is stopped, does not. An end that the message names already, as it was seen in a
// request, counts once, and the receive that met it not at all.
func TestOnlyEndsOfProcessesAreDeaths(t *testing.T) {
	for _, tc := range []struct {
		name     string
		leave    []func(*Backend, context.Context, string) error
		died     []string // in the message as it is sent
		want     []string // in the second receive
		receives int
	}{
		{"ended", []func(*Backend, context.Context, string) error{(*Backend).NoteEnd}, nil, []string{"w0"}, 2},
		{"ended after another one", []func(*Backend, context.Context, string) error{(*Backend).NoteEnd}, []string{"v"}, []string{"v", "w0"}, 2},
		{"ended during the request", []func(*Backend, context.Context, string) error{(*Backend).NoteEnd}, []string{"v", "w0"}, []string{"v", "w0"}, 1},
		{"declared dead", []func(*Backend, context.Context, string) error{(*Backend).MarkGone, (*Backend).NoteEnd}, nil, nil, 2},
		{"stopped", []func(*Backend, context.Context, string) error{(*Backend).Suspend, (*Backend).MarkGone, (*Backend).NoteEnd}, nil, nil, 2},
	} {
		h := open(t, Options{})
		must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "a", Died: tc.died}))
		var ds []platform.Delivery
		for i := range 2 {
			id := fmt.Sprint("w", i)
			must(t, h.Launch(t.Context(), worker(id, platform.Ready)))
			var err error
			if ds, err = h.As(id).Queues.Receive(t.Context(), queue, 1, time.Hour, 0); err != nil || len(ds) != 1 {
				t.Fatalf("%s: worker %d got %+v, error %v", tc.name, i, ds, err)
			}
			for _, leave := range tc.leave {
				must(t, leave(h, t.Context(), id))
			}
		}
		if got := ds[0]; !slices.Equal(got.Message.Died, tc.want) || got.Receives != tc.receives {
			t.Errorf("%s: the second worker got %q after %d receives, want %q after %d", tc.name, got.Message.Died, got.Receives, tc.want, tc.receives)
		}
	}
}

// TestDeadWorkersMessagesComeBackAtOnce holds it for a receive that waits,
// and that no other consumer loses anything.
func TestDeadWorkersMessagesComeBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		s := serve(t, h)
		send(t, h, "a")
		send(t, h, "b")
		must(t, h.Launch(t.Context(), worker("w1", platform.Booting)))
		w1, w2 := s.dial(t, "w1"), s.dial(t, "w2")
		receive := func(c platform.Backend, wait time.Duration) []platform.Delivery {
			ds, err := c.Queues.Receive(t.Context(), queue, 1, time.Hour, wait)
			must(t, err)
			return ds
		}
		dead, kept := receive(w1, 0), receive(w2, 0)
		back := make(chan []platform.Delivery)
		go func() { back <- receive(h.Platform(), 30*time.Minute) }()
		synctest.Wait()
		start := time.Now()
		must(t, h.MarkGone(t.Context(), "w1"))
		ds := <-back
		if len(ds) != 1 || ds[0].Message.ID != dead[0].Message.ID || ds[0].Receives != 2 || time.Since(start) != 0 {
			t.Errorf("came %+v after %v, want what the dead worker held, at once", ds, time.Since(start))
		}
		must(t, w2.Queues.Extend(t.Context(), kept[0], time.Hour))
		if _, err := w1.Fleet.Report(t.Context(), worker("w1", platform.Ready)); !errors.Is(err, platform.ErrRevoked) {
			t.Errorf("the dead worker's report: %v, want ErrRevoked", err)
		}
		if _, err := h.As("w1").Queues.Receive(t.Context(), queue, 1, time.Hour, 0); !errors.Is(err, platform.ErrRevoked) {
			t.Errorf("the dead worker's receive in this process: %v, want ErrRevoked", err)
		}
	})
}

func TestWaitingReceiveOfADeadWorkerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		w1 := serve(t, h).dial(t, "w1")
		ended := make(chan error, 1)
		go func() {
			_, err := w1.Queues.Receive(context.Background(), queue, 1, time.Hour, time.Hour)
			ended <- err
		}()
		synctest.Wait()
		must(t, h.MarkGone(t.Context(), "w1"))
		if err := <-ended; !errors.Is(err, platform.ErrRevoked) {
			t.Errorf("it ended with %v, want ErrRevoked", err)
		}
		send(t, h, "a")
		d, err := h.Platform().Queues.Depth(t.Context(), queue)
		must(t, err)
		if d != (platform.Depth{Visible: 1}) {
			t.Errorf("the queue holds %+v, want one visible message", d)
		}
	})
}

func TestSupervisorHearsOfChanges(t *testing.T) {
	h := open(t, Options{})
	f := h.Platform().Fleet
	steps := []struct {
		name string
		do   func() error
		want bool
	}{
		{"desired", func() error { return f.SetDesired(t.Context(), "p", 2) }, true},
		{"launch", func() error { return h.Launch(t.Context(), worker("w1", platform.Booting)) }, true},
		{"ready", func() error { _, err := f.Report(t.Context(), worker("w1", platform.Ready)); return err }, true},
		{"still ready", func() error { _, err := f.Report(t.Context(), worker("w1", platform.Ready)); return err }, false},
		{"drain", func() error { return f.Drain(t.Context(), "p", "w1") }, true},
		{"gone", func() error { return h.MarkGone(t.Context(), "w1") }, true},
	}
	for _, s := range steps {
		c := h.FleetChanged()
		must(t, s.do())
		notified := false
		select {
		case <-c:
			notified = true
		default:
		}
		if notified != s.want {
			t.Errorf("%s: notified %v, want %v", s.name, notified, s.want)
		}
	}
	if err := h.Launch(t.Context(), worker("w1", platform.Booting)); err == nil {
		t.Error("a dead worker's id was taken again")
	}
}

func TestDrainMarksAreListed(t *testing.T) {
	h := open(t, Options{})
	for _, id := range []string{"w2", "w1", "w3"} {
		must(t, h.Launch(t.Context(), worker(id, platform.Booting)))
	}
	must(t, h.Platform().Fleet.Drain(t.Context(), "p", "w1", "w2", "w3"))
	must(t, h.MarkGone(t.Context(), "w3"))
	got, err := h.Draining(t.Context(), "p")
	must(t, err)
	if len(got) != 2 || got[0] != "w2" || got[1] != "w1" {
		t.Errorf("draining are %v, want w2 and w1", got)
	}
	if n, err := h.Desired(t.Context(), "p"); n != 0 || err != nil {
		t.Errorf("nobody desired, yet %d (%v)", n, err)
	}
}

// TestAbandonedLeaseIsGivenBack is the client's part of a handover that its
// caller did not wait for.
func TestAbandonedLeaseIsGivenBack(t *testing.T) {
	h := open(t, Options{})
	send(t, h, "a")
	c := &consumer{Backend: h, name: "w1"}
	ds, err := c.receive(t.Context(), queue, 1, time.Hour, 0, 77)
	must(t, err)
	other := &consumer{Backend: h, name: "w2"}
	must(t, other.abandon(t.Context(), 77)) // not its lease
	must(t, c.Extend(t.Context(), ds[0], time.Hour))
	must(t, c.abandon(t.Context(), 77))
	ds, err = other.receive(t.Context(), queue, 1, time.Hour, 0, 78)
	must(t, err)
	if len(ds) != 1 || ds[0].Receives != 1 {
		t.Errorf("came %+v, want the abandoned message, uncounted", ds)
	}
}

// TestGivenUpReceiveLeasesNothing has a caller leave before the server sees its
// connection end: what is sent meanwhile goes to those who are there.
func TestGivenUpReceiveLeasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		left, other := &consumer{Backend: h, name: "w1"}, &consumer{Backend: h, name: "w2"}
		ended := make(chan error, 1)
		go func() {
			_, err := left.receive(t.Context(), queue, 1, time.Hour, time.Hour, 77)
			ended <- err
		}()
		synctest.Wait()
		must(t, other.abandon(t.Context(), 77)) // no receive of its own
		must(t, left.abandon(t.Context(), 77))
		send(t, h, "a")
		ds, err := other.receive(t.Context(), queue, 1, time.Hour, 0, 77)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("who gave its own number up received %+v, %v", ds, err)
		}
		ds, err = other.receive(t.Context(), queue, 1, time.Hour, 0, 78)
		must(t, err)
		if len(ds) != 1 {
			t.Errorf("%d messages came, want the one that nobody holds", len(ds))
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the receive that was given up ended with %v", err)
		}
	})
}

// TestGivenUpReceivesAreBounded holds that callers who leave take no memory.
func TestGivenUpReceivesAreBounded(t *testing.T) {
	var c consumers
	for i := range int64(3 * maxGivenUp) {
		c.giveUp(receiveID{"w1", i})
	}
	if len(c.givenUp.known) != maxGivenUp || len(c.givenUp.order) != maxGivenUp || !c.gaveUp(receiveID{"w1", 3*maxGivenUp - 1}) {
		t.Errorf("%d and %d are kept, want the latest %d", len(c.givenUp.known), len(c.givenUp.order), maxGivenUp)
	}
}

func TestEndWhileHeldElsewhere(t *testing.T) {
	h := open(t, Options{})
	m := newMessage(t, time.Now(), time.Hour)
	must(t, h.Platform().Queues.Send(t.Context(), queue, m))
	ds, err := h.As("w1").Queues.Receive(t.Context(), queue, 1, time.Hour, 0)
	must(t, err)
	must(t, h.MarkGone(t.Context(), "w1"))
	if _, won, err := h.Platform().Records.PutRecord(t.Context(), m.Ended(query.Outcome{State: query.Expired})); !won || err != nil {
		t.Errorf("the end by who looked at it: won %v, %v", won, err)
	}
	got, won, err := h.As("w1").Records.PutRecord(t.Context(), m.Ended(query.Outcome{State: query.Succeeded}))
	must(t, err)
	if won || got.State != query.Expired {
		t.Errorf("the zombie's end: won %v, state %s; want the first to stay", won, got.State)
	}
	must(t, h.As("w1").Queues.Delete(t.Context(), ds...))
	d, err := h.Platform().Queues.Depth(t.Context(), queue)
	must(t, err)
	if d.Visible != 1 {
		t.Errorf("the zombie deleted what it held no more: %+v", d)
	}
}

// What a stopped worker holds goes to others at once, nothing more goes to it though its
// receive waits, and it is listed as suspended; once it goes on it is as any other, but
// for what it has lost.
func TestASuspendedWorkerGetsAndHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		must(t, h.Launch(t.Context(), worker("w1", platform.Ready)))
		w1, other := h.As("w1"), h.Platform()
		receive := func(c platform.Backend, wait time.Duration) []platform.Delivery {
			ds, err := c.Queues.Receive(t.Context(), queue, 1, time.Hour, wait)
			must(t, err)
			return ds
		}
		send(t, h, "a")
		held := receive(w1, 0)
		ended := make(chan error, 1)
		go func() {
			_, err := w1.Queues.Receive(t.Context(), queue, 1, time.Hour, 30*time.Minute)
			ended <- err
		}()
		synctest.Wait()
		must(t, h.Suspend(t.Context(), "w1"))
		if ds := receive(other, 0); len(ds) != 1 || ds[0].Message.ID != held[0].Message.ID {
			t.Errorf("another receives %+v, want what the worker held", ds)
		}
		send(t, h, "b")
		if ds := receive(other, 0); len(ds) != 1 {
			t.Error("a message went to the worker that does not answer")
		}
		if err := <-ended; !errors.Is(err, platform.ErrUnavailable) {
			t.Errorf("its receive ended with %v", err)
		}
		suspended := func() bool {
			ws, err := other.Fleet.Workers(t.Context(), "p")
			must(t, err)
			return len(ws) == 1 && ws[0].Suspended
		}
		if !suspended() {
			t.Error("it is not listed as suspended")
		}
		must(t, h.Resume(t.Context(), "w1"))
		if err := w1.Queues.Extend(t.Context(), held[0], time.Hour); !errors.Is(err, platform.ErrLeaseLost) {
			t.Errorf("it extends what it has lost: %v", err)
		}
		send(t, h, "c")
		if len(receive(w1, 0)) != 1 || suspended() {
			t.Error("it is not taken in again")
		}
	})
}

// A worker that is passed over gets no messages though its receive waits, keeps what it
// holds, and is listed as before; Resume takes it in again, and Suspend out.
func TestAWorkerThatIsPassedOverGetsNothing(t *testing.T) {
	for name, next := range map[string]func(*Backend, context.Context, string) error{"resumed": (*Backend).Resume, "suspended": (*Backend).Suspend} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, Options{})
			must(t, h.Launch(t.Context(), worker("w1", platform.Ready)))
			w1, other := h.As("w1"), h.Platform()
			send(t, h, "held")
			held, err := w1.Queues.Receive(t.Context(), queue, 1, time.Hour, 0)
			must(t, err)
			ended := make(chan error, 1)
			go func() {
				_, err := w1.Queues.Receive(t.Context(), queue, 1, time.Hour, 30*time.Minute)
				ended <- err
			}()
			synctest.Wait()
			h.PassOver("w1")
			send(t, h, "next")
			if ds, err := other.Queues.Receive(t.Context(), queue, 1, time.Hour, 0); err != nil || len(ds) != 1 || ds[0].Message.ID != "next" {
				t.Errorf("another receives %+v, %v", ds, err)
			}
			if err := <-ended; !errors.Is(err, platform.ErrUnavailable) {
				t.Errorf("its receive ended with %v", err)
			}
			if ws, err := other.Fleet.Workers(t.Context(), "p"); err != nil || len(ws) != 1 || ws[0].Suspended {
				t.Errorf("listed as %+v, %v", ws, err)
			}
			must(t, w1.Queues.Extend(t.Context(), held[0], time.Hour))
			must(t, next(h, t.Context(), "w1"))
			send(t, h, "last")
			ds, err := w1.Queues.Receive(t.Context(), queue, 10, time.Hour, 0)
			if resumed := name == "resumed"; resumed != (err == nil && len(ds) == 1) {
				t.Errorf("%s: it receives %d messages, %v", name, len(ds), err)
			}
			h.PassOver("w1")
			must(t, h.MarkGone(t.Context(), "w1"))
			h.PassOver("w1")
			if _, err := w1.Queues.Receive(t.Context(), queue, 1, time.Hour, 0); !errors.Is(err, platform.ErrRevoked) {
				t.Errorf("dead, it receives: %v", err)
			}
		})
	}
}
