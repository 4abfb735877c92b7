package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A query whose worker dies each time that it runs ends as failed after max_attempts
// deaths and is given to no further worker; the next worker serves others.
func TestAQueryThatKillsItsWorkersFails(t *testing.T) {
	const deaths, killerServiceMS = 2, 2000
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", flag("profiles", slowProfiles(t, killerServiceMS)),
		flag("set", fmt.Sprint("max_attempts=", deaths)), flag("set", "max_overflow_concurrency=0"))
	s.workersReady(1)
	killer := relaxed(pictures(t)[0])
	killer.Model, killer.Task, killer.Constraints.LatencyMS = "cnn", "", 120_000
	q, err := s.Submit(context.Background(), killer, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var killed []int
	for range deaths {
		var pids []int
		s.until("another worker runs the query", func() bool {
			st, err := s.Status(context.Background())
			pids = s.children("worker")
			return err == nil && st.Queues["work-relaxed-general"].InFlight == 1 && len(pids) == 1 && !slices.Contains(killed, pids[0])
		})
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed = append(killed, pids[0])
	}
	done := s.finish(q)
	if done.State != query.Failed || done.Failure == nil || done.Failure.Code != query.TooOften {
		t.Errorf("it ended as %s: %+v, %+v", done.State, done.Failure, done.Trail)
	}
	s.workersReady(1)
	last := s.children("worker")
	if again, err := s.Submit(context.Background(), relaxed(pictures(t)[1]), client.Options{}); err != nil || s.finish(again).State != query.Succeeded {
		t.Errorf("the next query: %+v, error %v", again, err)
	}
	if now := s.children("worker"); !slices.Equal(now, last) || slices.Contains(killed, now[0]) {
		t.Errorf("worker %v has become %v", last, now)
	}
}
