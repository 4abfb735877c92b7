package balancer

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestChecksDecideWhoGetsRequests(t *testing.T) {
	var status atomic.Int64
	status.Store(200)
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.WriteHeader(int(status.Load()))
		}
	}))
	failures := map[string]int{}
	var mu sync.Mutex
	noted := func(_ context.Context, id string, n int) {
		mu.Lock()
		defer mu.Unlock()
		failures[id] = n
	}
	b, _ := front(t, Options{Health: Health{Path: "/healthz", Checked: noted}}, a.target(), Target{ID: "f", Handler: echo}, Target{ID: "gone", Addr: "unix:/no"})
	for i, tc := range []struct {
		says    int64
		healthy bool
		failed  int // in a row
	}{{200, true, 0}, {503, false, 1}, {200, true, 0}, {500, false, 1}, {503, false, 2}} {
		status.Store(tc.says)
		b.checkAll(t.Context())
		if s := b.Status(); s[0].Healthy != tc.healthy || !s[1].Healthy || s[2].Healthy {
			t.Errorf("after %d: %+v", tc.says, s)
		}
		if failures["a"] != tc.failed || failures["gone"] != i+1 {
			t.Errorf("after %d: %v have failed in a row", tc.says, failures)
		}
	}
}

// What a frozen target has not answered goes to others after a few checks
// without an answer, and not before.
func TestFrozenTargetIsFoundByChecks(t *testing.T) {
	f := newFrozen()
	bad, good := startWorker(t, "bad", f), startWorker(t, "good", echo)
	b, server := front(t, Options{Repeats: 1, Health: Health{Path: "/healthz", Timeout: 10 * time.Millisecond, LostAfter: 2}}, bad.target())
	var answers sync.WaitGroup
	answers.Go(func() {
		if got := post(t, server, pattern(10), nil); got.body != string(pattern(10)) {
			t.Errorf("%+v", got)
		}
	})
	<-f.arrived
	b.SetTargets([]Target{bad.target(), good.target()})
	b.checkAll(t.Context())
	if s := b.Status()[0]; s.Healthy || s.Outstanding != 1 {
		t.Errorf("after one check: %+v", s)
	}
	b.checkAll(t.Context())
	answers.Wait()
	settled(t, b, server)
}

// A check cut short by the end of the balancer finds nobody unwell.
func TestRunEndsInOrder(t *testing.T) {
	f := newFrozen()
	a := startWorker(t, "a", f)
	b, _ := front(t, Options{Health: Health{Path: "/healthz", Every: time.Millisecond, Timeout: time.Hour}}, a.target())
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	<-f.arrived
	end()
	running.Wait()
	if s := b.Status()[0]; !s.Healthy {
		t.Errorf("%+v", s)
	}
	New(Options{}).Run(t.Context()) // checks nothing, and returns
}
