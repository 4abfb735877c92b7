package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

const (
	killQueries   = 2000
	killCallers   = 24
	killServiceMS = 10
)

// flood submits queries from a few callers, keyed by their number so that a
// repeat after a crash is the same query, and calls at before each number. It
// returns the accepted queries in order.
func (s *stage) flood(key string, subs []client.Submission, at func(i int)) []api.Query {
	s.t.Helper()
	out := make([]api.Query, len(subs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range killCallers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(subs); i = int(next.Add(1)) - 1 {
				at(i)
				q, err := s.Submit(context.Background(), subs[i], client.Options{Key: fmt.Sprint(key, i)})
				if err != nil {
					s.t.Errorf("submit query %d: %v", i, err)
					return
				}
				out[i] = q
			}
		})
	}
	wg.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
	return out
}

// answers waits for all queries and returns each one's answer, as bytes.
func (s *stage) answers(qs []api.Query) [][]byte {
	s.t.Helper()
	out := make([][]byte, len(qs))
	for i, q := range qs {
		done := s.finish(q)
		if done.State != query.Succeeded {
			s.t.Errorf("query %d ended as %s: %+v, %+v", i, done.State, done.Failure, done.Trail)
			continue
		}
		text, err := json.Marshal(done.Result)
		if err != nil {
			s.t.Fatal(err)
		}
		out[i] = text
	}
	return out
}

// killOne kills one child that runs a binary; the test fails when there is none.
func (s *stage) killOne(name string) {
	pids := s.children(name)
	if len(pids) == 0 {
		s.t.Errorf("no %s runs that could be killed", name)
		return
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		s.t.Errorf("kill a %s: %v", name, err)
	}
}

// A worker, an inference function and the whole of `paragon up` are killed in
// the middle of 2,000 queries. Nothing accepted is lost, nothing ends twice,
// and every answer is that of the undisturbed run.
func TestKillsLoseNothing(t *testing.T) {
	profiles := slowProfiles(t, killServiceMS)
	args := []string{"--workers=2", "--boot-seconds=0", flag("profiles", profiles), flag("set", "max_overflow_concurrency=4")}
	pics := pictures(t)
	subs := make([]client.Submission, killQueries)
	for i := range subs {
		subs[i] = client.Submission{
			Model: "cnn", Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: pics[i%len(pics)].data},
		}
		if i%2 == 0 {
			// Tight enough that a part of them overflows.
			subs[i].Class, subs[i].Constraints.LatencyMS = query.Strict, 60
		}
	}

	calm := up(t, t.TempDir(), args...)
	calm.workersReady(2)
	began := time.Now()
	calmly := calm.flood("k", subs, func(int) {})
	t.Logf("undisturbed: accepted after %v", time.Since(began))
	want := calm.answers(calmly)
	t.Logf("undisturbed: answered after %v", time.Since(began))
	calm.stop()

	s := up(t, t.TempDir(), args...)
	s.workersReady(2)
	down := make(chan struct{}) // closed once it is up again
	began = time.Now()
	accepted := s.flood("k", subs, func(i int) {
		switch i {
		case 500:
			s.killOne("worker")
		case 900:
			s.killOne("inference")
		case 1400:
			s.kill()
			s.restart()
			close(down)
		}
	})
	<-down
	t.Logf("with kills: accepted after %v", time.Since(began))
	got := s.answers(accepted)
	t.Logf("with kills: answered after %v", time.Since(began))
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("query %d (%s): %s, undisturbed %s", i, accepted[i].ID, got[i], want[i])
		}
	}
	s.sameAgain(accepted, got)
}

// sameAgain reads every query once more: an end is final.
func (s *stage) sameAgain(qs []api.Query, want [][]byte) {
	s.t.Helper()
	for i, q := range qs {
		again, err := s.Get(context.Background(), q.ID, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		if text, _ := json.Marshal(again.Result); again.State != query.Succeeded || !bytes.Equal(text, want[i]) {
			s.t.Errorf("query %s was succeeded with %s and is now %s with %s", q.ID, want[i], again.State, text)
		}
	}
}

// A relaxed query that no worker can answer in time runs on a function, also if it is the
// first of a new stage, whose workers still boot and whose fleet is fixed.
func TestTheFirstRelaxedQueryKeepsItsBound(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=600")
	q, err := s.Submit(context.Background(), client.Submission{
		Task: "fashion", Class: query.Relaxed, Constraints: query.Constraints{LatencyMS: 6000}, Input: query.Input{ContentType: "image/png", Data: pictures(t)[0].data},
	}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if done := s.finish(q); done.State != query.Succeeded || done.ServedBy.Kind != query.OnFunction || !*done.MetSLO {
		t.Errorf("%s by %+v, in time: %v", done.State, done.ServedBy, done.MetSLO)
	}
}

// What was accepted and not answered when everything was killed is answered
// after the next start.
func TestYesterdaysQueriesGoOn(t *testing.T) {
	dir := t.TempDir()
	// A worker that is on its way for longer than this test lasts: queries are taken
	// for it, and none is answered. Without any, they would be refused.
	s := up(t, dir, "--workers=1", "--boot-seconds=600")
	pics := pictures(t)
	var accepted []api.Query
	for i := range 20 {
		q, err := s.Submit(context.Background(), client.Submission{
			Task: "fashion", Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: pics[i].data},
		}, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, q)
	}
	for _, q := range accepted {
		if now, err := s.Get(context.Background(), q.ID, 0); err != nil || now.State != query.Accepted {
			t.Fatalf("query %s is %s before the kill, error %v: nothing would be tested", q.ID, now.State, err)
		}
	}
	s.kill()

	s.args = []string{"up", "--data", dir, "--workers=1", "--boot-seconds=0"}
	s.restart()
	for _, q := range accepted {
		if done := s.finish(q); done.State != query.Succeeded {
			t.Errorf("query %s ended as %s: %+v", q.ID, done.State, done.Failure)
		}
	}
}
