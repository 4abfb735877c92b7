package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

// picture is about the size of a small PNG.
var picture = make([]byte, 700)

func benchMessage(id string) query.Message {
	now := time.Now()
	return query.Message{
		ID: id, Owner: "ann", Task: "fashion", Model: "cnn-small", Class: query.Strict,
		AcceptedAt: now, DeadlineAt: now, ExpiresAt: now, Input: query.Input{ContentType: "image/png", Data: picture},
	}
}

// child reaches a backend as a child does, over TCP.
func child(b *testing.B, h *Backend) platform.Backend {
	s := httptest.NewServer(NewServer(h))
	b.Cleanup(s.Close)
	c, err := rpc.Dial(s.URL + "/" + h.Register("child"))
	must(b, err)
	return c
}

// eachBackend runs a benchmark on every durability, direct and over loopback.
func eachBackend(b *testing.B, f func(b *testing.B, c platform.Backend)) {
	for _, d := range []Durability{SurvivesKill, SurvivesPowerCut} {
		b.Run(string(d)+"/direct", func(b *testing.B) { f(b, open(b, Options{Durability: d}).Platform()) })
		b.Run(string(d)+"/loopback", func(b *testing.B) { f(b, child(b, open(b, Options{Durability: d}))) })
	}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spread does work b.N times with some callers at once and reports the
// processor time of each, which says more than the wall time on a busy machine.
func spread(b *testing.B, callers int, work func(i int) error) {
	var next atomic.Int64
	used, n := cpu(), b.N
	errs := make([]error, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n) && errs[c] == nil; i = next.Add(1) {
				errs[c] = work(int(i))
			}
		})
	}
	all.Wait()
	must(b, errors.Join(errs...))
	b.ReportMetric(float64((cpu()-used).Microseconds())/float64(n), "cpu-us/op")
}

func BenchmarkSend(b *testing.B) {
	eachBackend(b, func(b *testing.B, c platform.Backend) {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
				spread(b, callers, func(i int) error {
					return c.Queues.Send(context.Background(), queue, benchMessage(fmt.Sprint(i)))
				})
			})
		}
	})
}

// BenchmarkLife is all that the backend does for one query: its message is sent
// and received, its record is put, and its message is deleted.
func BenchmarkLife(b *testing.B) {
	eachBackend(b, func(b *testing.B, c platform.Backend) {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
				spread(b, callers, func(int) error { return life(c) })
			})
		}
	})
}

func life(c platform.Backend) error {
	ctx := context.Background()
	m, err := makeMessage(time.Now(), time.Hour)
	if err != nil {
		return err
	}
	m.Input = query.Input{ContentType: "image/png", Data: picture}
	if err := c.Queues.Send(ctx, queue, m); err != nil {
		return err
	}
	ds, err := c.Queues.Receive(ctx, queue, 1, time.Minute, time.Minute)
	if err != nil || len(ds) != 1 {
		return fmt.Errorf("received %d: %w", len(ds), err)
	}
	o := query.Outcome{State: query.Succeeded, FinishedAt: time.Now(), Result: &query.Result{Label: "Coat", Scores: make([]float32, 10)}}
	if _, _, err := c.Records.PutRecord(ctx, ds[0].Message.Ended(o)); err != nil {
		return err
	}
	return c.Queues.Delete(ctx, ds...)
}

// BenchmarkHandover is the time from a send to the return of a receive that
// waited for it.
func BenchmarkHandover(b *testing.B) {
	eachBackend(b, func(b *testing.B, c platform.Backend) {
		came := make(chan time.Time)
		ctx, stop := context.WithCancel(context.Background())
		var ended sync.WaitGroup
		ended.Go(func() {
			for ctx.Err() == nil {
				ds, err := c.Queues.Receive(ctx, queue, 1, time.Minute, time.Minute)
				if err == nil && len(ds) == 1 {
					came <- time.Now()
					_ = c.Queues.Delete(ctx, ds...)
				}
			}
		})
		handovers(b, func(i int) error {
			return c.Queues.Send(context.Background(), queue, benchMessage(fmt.Sprint(i)))
		}, came)
		stop()
		ended.Wait()
	})
}

// handovers measures from each send to the arrival and reports percentiles.
func handovers(b *testing.B, send func(i int) error, came <-chan time.Time) {
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		<-time.After(200 * time.Microsecond) // let the receiver wait again
		start := time.Now()
		must(b, send(i))
		took = append(took, (<-came).Sub(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
}

// BenchmarkRejectedPolling is the way not taken, for the record: the receiver
// has a connection of its own to the file and looks every 2 ms.
func BenchmarkRejectedPolling(b *testing.B) {
	path := filepath.Join(b.TempDir(), "paragon.db")
	h := openAt(b, path, Options{})
	db, err := openDB(path, "journal_mode(WAL)", "synchronous(NORMAL)")
	must(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s := &statements{from: db}
	defer s.close()
	came := make(chan time.Time)
	ctx, stop := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			got, err := s.exec(`DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY visible_at LIMIT 1)`, queue, time.Now().UnixNano())
			if ok, _ := changed(got, err); ok {
				came <- time.Now()
			}
		}
	})
	handovers(b, func(i int) error {
		return h.Platform().Queues.Send(context.Background(), queue, benchMessage(fmt.Sprint(i)))
	}, came)
	stop()
	ended.Wait()
}
