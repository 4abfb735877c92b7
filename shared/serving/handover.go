package serving

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

const (
	// near is from when on a relaxed query stays in hand although no runner is
	// free, so that it leaves at its moment. Nothing else that a full worker
	// finds is held: another worker may come free.
	near = 2 * time.Second
)

// rules are what may be handed over to functions. Without a controller strict
// queries may be, and relaxed ones not.
type rules struct{ strict, relaxed bool }

// refreshRules reads the rules of overflow until ctx ends.
func (w *Worker) refreshRules(ctx context.Context) {
	for ctx.Err() == nil {
		v, err := w.Fleet.View(ctx)
		switch {
		case err == nil:
			w.setRules(w.rulesOf(v))
			w.setWarm(v)
		case errors.Is(err, platform.ErrNotFound):
			w.setRules(rules{strict: true})
		case ctx.Err() == nil:
			w.Log.Warn("could not read the rules of overflow; the last rules stay in force", "worker", w.ID, "error", err)
		}
		_ = settle.Sleep(ctx, seconds(settings.WorkerViews*w.Settings().ViewSeconds)) // the loop sees ctx end
	}
}

// rulesOf takes the rules of this worker's pool from a view: what the scheme
// allows, and nothing once the hour's budget is spent.
func (w *Worker) rulesOf(v platform.FleetView) rules {
	if fleet.Silent(v.At, w.Now(), w.Settings()) {
		return rules{strict: true} // nobody decides any more
	}
	for _, p := range v.Pools {
		if p.Name == w.Pool {
			left := !p.BudgetSpent(v.At, w.Now())
			return rules{strict: left && !p.NoStrictOverflow, relaxed: left && p.RelaxedOverflow}
		}
	}
	return rules{strict: true}
}

// setWarm takes the functions that count as warm from a view; by one that is too old, none.
func (w *Worker) setWarm(v platform.FleetView) {
	if fleet.Silent(v.At, w.Now(), w.Settings()) {
		v.WarmFunctions = nil
	}
	w.warm.Store(&v.WarmFunctions)
}

func (w *Worker) setRules(r rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rules != r {
		w.rules = r
		w.notifyLocked()
	}
}

// allowed are the rules in force: none with overflow switched off.
func (w *Worker) allowed() rules {
	off := w.Settings().MaxOverflowConcurrency == 0
	w.mu.Lock()
	defer w.mu.Unlock()
	if off {
		return rules{}
	}
	return w.rules
}

// relaxedOverflowWindow is between which moments a relaxed query that waits is handed over;
// zero without a function that could answer it.
func (w *Worker) relaxedOverflowWindow(m query.Message) (at, by time.Time) {
	rule := overflow.Rule{Catalogue: w.Catalogue.Current(), Arch: w.Arch, InstanceType: w.InstanceType, Settings: w.Settings(), Warm: *w.warm.Load()}
	at, by, _ = rule.RelaxedOverflowWindow(m)
	return at, by
}

// watch is a full worker's eye on the relaxed queries, while they may be handed
// over at their bounds: on those in hand each time, and from next on on the
// oldest ones of the queue. It returns when to look there again.
func (w *Worker) watch(ctx context.Context, next time.Time) time.Time {
	w.evict()
	for ctx.Err() == nil {
		now := w.Now()
		n := min(mostReceived, heldPerRunner*w.Runners-w.leases.len())
		if now.Before(next) || n <= 0 {
			break
		}
		ds := w.receive(ctx, query.Relaxed, n, 0)
		w.admit(ctx, ds)
		if soonest := w.soonest(ds, now); len(ds) < n || soonest > 0 {
			next = now.Add(min(max(near/4, (soonest-near)/2), near))
		} // else all are due or nearly so: there may be more
	}
	return next
}

// soonest is for how long the first of the deliveries may still wait that need
// not stay in hand; 0 when all must.
func (w *Worker) soonest(ds []platform.Delivery, now time.Time) time.Duration {
	first := time.Duration(0)
	for _, d := range ds {
		at, _ := w.relaxedOverflowWindow(d.Message)
		if left := at.Sub(now); left > near && (first == 0 || left < first) {
			first = left
		}
	}
	return first
}
