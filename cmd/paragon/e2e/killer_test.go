package e2e_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// killerRuns is after how many deaths nothing more is killed: more than a query may cause.
const killerRuns = 4

// killRunning kills each worker that begins to run a query, one after the other, until the
// query has ended, and says which processes it killed. A worker is known by its own report:
// that of one that was killed says for a while that it is busy.
func (s *stage) killRunning(ended func() bool) (killed []int) {
	var names []string
	for len(killed) < killerRuns {
		var pids []int
		name := ""
		s.until("another worker runs the query, or it has ended", func() bool {
			if ended() {
				return true
			}
			ws, err := s.Workers(context.Background(), "", 0, 100)
			pids = s.children("worker")
			if err != nil || len(pids) != 1 || slices.Contains(killed, pids[0]) {
				return false
			}
			i := slices.IndexFunc(ws.Workers, func(w api.Worker) bool { return w.Busy > 0 && !slices.Contains(names, w.ID) })
			if i >= 0 {
				name = ws.Workers[i].ID
			}
			return i >= 0
		})
		if ended() {
			break
		}
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			s.t.Fatal(err)
		}
		killed, names = append(killed, pids[0]), append(names, name)
	}
	return killed
}

// A query whose worker dies each time that it runs ends as failed after three deaths, whether
// its caller waits (so that the first worker holds its request) or not, is a dead letter,
// and is given to no further worker; the next worker serves others.
func TestAQueryThatKillsItsWorkersFails(t *testing.T) {
	const killerServiceMS = 3000
	for _, tc := range []struct {
		name string
		wait time.Duration
	}{{"stored", 0}, {"in its request", 60 * time.Second}} {
		t.Run(tc.name, func(t *testing.T) {
			s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", flag("profiles", slowProfiles(t, killerServiceMS)),
				flag("set", "heartbeat_seconds=0.5"), flag("set", "max_overflow_concurrency=0"))
			s.workersReady(1)
			killer := relaxed(pictures(t)[0])
			killer.Model, killer.Task, killer.Constraints.LatencyMS = "cnn", "", 120_000
			var done atomic.Pointer[api.Query]
			var caller sync.WaitGroup
			caller.Go(func() {
				q, err := s.Submit(context.Background(), killer, client.Options{Wait: tc.wait})
				if err != nil {
					t.Error(err)
				} else if !q.State.Terminal() {
					q = s.finish(q)
				}
				done.Store(&q)
			})
			killed := s.killRunning(func() bool { return done.Load() != nil })
			caller.Wait()
			if q := done.Load(); q.State != query.Failed || q.Failure == nil || q.Failure.Code != query.TooOften || len(killed) != query.MostDeaths {
				t.Errorf("after %d deaths it ended as %s: %+v, %+v", len(killed), q.State, q.Failure, q.Trail)
			}
			s.workersReady(1)
			last := s.children("worker")
			if st, err := s.Status(context.Background()); err != nil || st.Queues["dead-letters"].Visible != 1 {
				t.Errorf("the queues have %+v, error %v", st.Queues, err)
			}
			if again, err := s.Submit(context.Background(), relaxed(pictures(t)[1]), client.Options{}); err != nil || s.finish(again).State != query.Succeeded {
				t.Errorf("the next query: %+v, error %v", again, err)
			}
			if now := s.children("worker"); !slices.Equal(now, last) || slices.Contains(killed, now[0]) {
				t.Errorf("worker %v has become %v", last, now)
			}
		})
	}
}
