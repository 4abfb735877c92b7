//go:build rehearse

package rehearse

import (
	"net/http"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// scalesIn has the controller let every worker go. The one that runs is deregistered,
// answers what comes meanwhile, drains and completes the hook; those that never came
// up keep their hooks waiting until the group goes on. Each takes its place with it.
func (p *play) scalesIn(worker *process) {
	p.t.Helper()
	p.set("max_workers", "0")
	p.set("fleet", "moving")
	stop := p.askMeanwhile()
	select {
	case err := <-worker.done:
		must(p.t, err)
	case <-time.After(patience):
		p.t.Fatal("the worker is still there")
	}
	for status, n := range stop() {
		if status != http.StatusOK && status != http.StatusAccepted {
			p.t.Errorf("%d requests were answered %d while the worker left", n, status)
		}
	}
	if n := p.stand.count("worker", "", "autoscaling:CompleteLifecycleAction"); n == 0 {
		p.t.Error("the worker did not complete its hook")
	}
	if n := p.stand.count("controller", "", "autoscaling:TerminateInstanceInAutoScalingGroup"); n == 0 {
		p.t.Error("the controller ended no instance")
	}
	p.until("nobody is desired and nobody is there", func() bool {
		ws, err := p.backend.Fleet.Workers(p.t.Context(), pool)
		must(p.t, err)
		return p.group().Desired == 0 && len(ws) == 0
	})
}

// askMeanwhile asks again and again with a caller that waits a second, until stop,
// which returns how often each status was answered.
func (p *play) askMeanwhile() (stop func() map[int]int) {
	statuses, quit := map[int]int{}, make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				got := p.request("POST", "/v1/queries", asked(fetched, query.Relaxed, p.inline()), "Prefer", "wait=1")
				statuses[got.Code]++
			}
		}
	})
	return func() map[int]int {
		close(quit)
		asking.Wait()
		return statuses
	}
}
