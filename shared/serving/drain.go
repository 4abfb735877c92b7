package serving

import (
	"context"

	"paragon/shared/cloud"
)

// drain gives back what waits and finishes what runs; nothing is received any
// more. It takes no longer than the longest run and its lease, as an outcome
// that cannot be stored is left when its lease has ended.
func (w *Worker) drain() {
	w.mu.Lock()
	w.fenced = true
	held := w.queue.Remove(func(*lease) bool { return true })
	w.notifyLocked()
	w.mu.Unlock()
	w.release(held)
	w.work.Wait()
}

// farewell tells the fleet that the worker leaves. Should that fail, missing
// heartbeats tell.
func (w *Worker) farewell() {
	ctx, cancel := context.WithTimeout(w.life, w.leaseTime())
	defer cancel()
	r := w.state(ctx)
	r.State = cloud.Gone
	if _, err := w.Fleet.Report(ctx, r); err != nil {
		w.Log.Warn("could not report the end", "worker", w.ID, "error", err)
	}
}
