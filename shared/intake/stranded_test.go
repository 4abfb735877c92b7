package intake

import (
	"fmt"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Whatever may overflow leaves the queues of a pool without workers for the functions:
// at once where none is on its way, else when its bound says so, and strict ones at
// once. What may not, or has a worker, stays as it was. Workers that are frozen are as good as none. Over every rule that a scheme
// may set, state of the pool, class, and time that is left.
func TestNothingWaitsForAPoolWithoutWorkers(t *testing.T) {
	both := []bool{false, true}
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		for _, allowed := range both {
			for workers := range 3 { // 2: they are frozen
				for booting := range 2 {
					for _, off := range both {
						for _, waited := range []time.Duration{0, 9 * time.Second} {
							moves := allowed && workers != 1 && !off && (booting == 0 || class == query.Strict || waited > 0)
							name := fmt.Sprintf("%s allowed=%v workers=%d booting=%d off=%v waited=%v", class, allowed, workers, booting, off, waited)
							t.Run(name, func(t *testing.T) {
								set := settings.Defaults()
								if off {
									set.MaxOverflowConcurrency = 0
								}
								d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
								pool := placement.Pool{Workers: workers, Runners: 2 * workers, Booting: booting, NoStrictOverflow: !allowed, RelaxedOverflow: allowed}
								from := platform.WorkQueue("general", class)
								d.waitsOn(t, from, class)
								d.clock.advance(waited)
								d.publishPool(t, pool)
								d.keepQueues(t.Context(), d.Backend.Queues, func(string) bool { return workers == 1 })
								for q, want := range map[platform.QueueName]bool{from: !moves, platform.Overflow: moves} {
									if depth, err := d.Backend.Queues.Depth(t.Context(), q); err != nil || (depth.Visible == 1) != want || depth.InFlight != 0 {
										t.Errorf("%s holds %+v, error %v", q, depth, err)
									}
								}
							})
						}
					}
				}
			}
		}
	}
}

// waitsOn puts a query of ten seconds on a queue, as it lies there when the last worker
// dies.
func (d testService) waitsOn(t *testing.T, q platform.QueueName, class query.Class) {
	t.Helper()
	now := d.clock.now()
	m := query.Message{ID: "q", Owner: "me", Task: "digits", Model: "net", Class: class, AcceptedAt: now, DeadlineAt: now.Add(10 * time.Second),
		ExpiresAt: now.Add(time.Minute), Input: query.Input{ContentType: "text/plain", Data: []byte("x")}}
	if err := d.Backend.Queues.Send(t.Context(), q, m); err != nil {
		t.Fatal(err)
	}
}
