package serving

import (
	"context"

	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/platform"
)

// linger goes on answering requests while the balancer may still send some:
// what came by the queues and does not run yet goes back to them at once.
func (w *Worker) linger() {
	w.mu.Lock()
	held := w.queue.Remove(func(l *lease) bool { return l.reply == nil })
	w.mu.Unlock()
	w.release(held)
	if w.Linger != nil {
		w.Linger(w.life) // the end of life is seen by the caller
	}
}

// drain gives back what waits and finishes what runs; nothing is received any
// more. It takes no longer than the longest run and its lease, as an outcome
// that cannot be stored is left when its lease has ended.
func (w *Worker) drain() {
	w.mu.Lock()
	w.fenced = true
	held := w.queue.Remove(func(*lease) bool { return true })
	w.notifyLocked()
	w.mu.Unlock()
	for _, l := range held { // none came by a queue
		w.evicted(schedule.Late[*lease]{Item: l})
	}
	w.inRequest.Wait()
	w.work.Wait()
}

// farewell reports to the fleet that the worker leaves. Should that fail, missing
// heartbeats show it.
func (w *Worker) farewell() {
	ctx, cancel := context.WithTimeout(w.life, w.leaseTime())
	defer cancel()
	r := w.state(ctx)
	r.State = platform.Gone
	if w.Counts != nil {
		r.Tallies = w.Counts.Snapshot(w.Now())
	}
	if _, err := w.Fleet.Report(ctx, r); err != nil {
		w.Log.Warn("could not report that this worker has ended", "worker", w.ID, "error", err)
	}
}
