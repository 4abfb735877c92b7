package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

const queue = platform.QueueName("work-strict-test")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, h *Backend, id string) {
	t.Helper()
	must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: id}))
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "another process runs on this data folder") {
		t.Errorf("opening twice: %v, want a refusal that says why", err)
	}
	must(t, h.Close())
	openAt(t, path, Options{})
}

func TestNewerFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	must(t, h.write(t.Context(), func(t *tx) error {
		_, err := t.exec(`PRAGMA user_version = 1000`)
		return err
	}))
	must(t, h.Close())
	_, err := Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "a newer version of Paragon wrote the file") {
		t.Fatalf("opening a newer file: %v, want a refusal that says why", err)
	}
	if _, err = Open(t.Context(), path, Options{}); strings.Contains(err.Error(), "locked") {
		t.Errorf("the refused opening left its lock: %v", err)
	}
}

func TestPathsAreNotURLs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?mode=memory#%41&", "paragon.db")
	h := openAt(t, path, Options{})
	send(t, h, "a")
	must(t, h.Close())
	d, err := openAt(t, path, Options{}).Platform().Queues.Depth(t.Context(), queue)
	must(t, err)
	if d.Visible != 1 {
		t.Errorf("the file opened again holds %d messages, want 1", d.Visible)
	}
}

func TestOpenTakesOverTheFormerRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{Durability: SurvivesPowerCut})
	send(t, h, "a")
	must(t, h.Launch(t.Context(), platform.WorkerReport{ID: "w1", Pool: "p", State: platform.Booting}))
	must(t, h.Platform().Fleet.SetDesired(t.Context(), "p", 3))
	if _, err := h.As("w1").Queues.Receive(t.Context(), queue, 1, time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	must(t, h.Close())

	h = openAt(t, path, Options{})
	ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Hour, 0)
	must(t, err)
	if len(ds) != 1 || ds[0].Receives != 2 {
		t.Errorf("came %+v, want the message that the former run held, counted", ds)
	}
	ws, err := h.Platform().Fleet.Workers(t.Context(), "p")
	must(t, err)
	if len(ws) != 0 {
		t.Errorf("the former run's workers are still there: %+v", ws)
	}
	if n, err := h.Desired(t.Context(), "p"); n != 3 || err != nil {
		t.Errorf("%d workers are desired (%v), want the 3 that were", n, err)
	}
}

func TestClosedBackendEndsCalls(t *testing.T) {
	h := open(t, Options{})
	ended := make(chan error, 1)
	go func() {
		_, err := h.Platform().Queues.Receive(context.Background(), queue, 1, time.Hour, time.Hour)
		ended <- err
	}()
	must(t, h.Close())
	if err := <-ended; !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("the receive under way: %v, want ErrUnavailable", err)
	}
	if err := h.Platform().Queues.Send(context.Background(), queue, query.Message{}); !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("a send to a closed backend: %v, want ErrUnavailable", err)
	}
}

// TestFaultsStayAlone holds that a failed write undoes what it did, and
// nothing of the writes that share its transaction.
func TestFaultsStayAlone(t *testing.T) {
	h := open(t, Options{})
	busy, free := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	var notified atomic.Int64
	all.Go(func() {
		_ = h.write(context.Background(), func(*tx) error { close(busy); <-free; return nil })
	})
	<-busy // all that follows is one batch
	boom := errors.New("boom")
	for i := range 20 {
		o := &op{done: make(chan error, 1), run: func(t *tx) error {
			t.then(func() { notified.Add(1) })
			if err := h.put(t, queue, parcel{message: []byte("{}")}); err != nil || i%2 == 0 {
				return err
			}
			return boom
		}}
		must(t, h.writes.submit(o))
		all.Go(func() {
			if err := h.writes.answer(o); (i%2 == 1) != errors.Is(err, boom) {
				t.Errorf("write %d ended with %v", i, err)
			}
		})
	}
	close(free)
	all.Wait()
	d, err := h.Platform().Queues.Depth(t.Context(), queue)
	must(t, err)
	if d.Visible != 10 || notified.Load() != 10 {
		t.Errorf("%d messages are there and %d writes notified of it, want the 10 that did not fail", d.Visible, notified.Load())
	}
}

func TestOldMetricsArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, Options{}).Platform().Metrics
		start := time.Now()
		must(t, m.Put(t.Context(), platform.Point{Metric: "m", At: start, Value: 1}))
		<-time.After(keepPoints + time.Minute)
		must(t, m.Put(t.Context(), platform.Point{Metric: "m", At: time.Now(), Value: 2}))
		got, err := m.Series(t.Context(), "m", nil, start, time.Now().Add(time.Minute), time.Second)
		must(t, err)
		if len(got) != 1 || got[0].Sum != 2 {
			t.Errorf("kept is %+v, want the new value only", got)
		}
	})
}
