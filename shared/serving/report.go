package serving

import (
	"context"
	"errors"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// reportAll reports at every heartbeat and after every change, until ctx ends;
// once in ReportSeconds at most. It fences the worker when the
// fleet orders a drain, and kills it when the fleet declared it dead. open
// ends when the worker is fenced.
func (w *Worker) reportAll(ctx, open context.Context, fence func()) {
	for ctx.Err() == nil {
		changed, s := w.changes(), w.Settings()
		orders, err := w.Fleet.Report(ctx, w.state(open))
		switch {
		case errors.Is(err, platform.ErrRevoked):
			w.kill(platform.ErrRevoked)
			return
		case err != nil && ctx.Err() == nil:
			w.Log.Warn("could not report", "worker", w.ID, "error", err)
		case orders.Drain:
			fence()
		}
		least := seconds(s.ReportSeconds())
		if settle.Sleep(ctx, least) != nil {
			return
		}
		if beat := seconds(s.HeartbeatSeconds) - least; beat > 0 && err == nil {
			pause(ctx, changed, beat)
		}
	}
}

// state is the worker's report of now.
func (w *Worker) state(open context.Context) platform.WorkerReport {
	state := platform.Ready
	if open.Err() != nil {
		state = platform.Draining
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	w.use.update(now, w.queue.Busy())
	report := platform.WorkerReport{
		ID: w.ID, Pool: w.Pool, InstanceType: w.InstanceType, State: state, At: now,
		Runners: w.Runners, Busy: w.queue.Busy(), Paced: w.Paced,
		HeldStrict: w.queue.Len(query.Strict), HeldRelaxed: w.queue.Len(query.Relaxed),
		StrictMS: w.queue.WorkMS(query.Strict, now), RelaxedMS: w.queue.WorkMS(query.Relaxed, now),
		Answered: w.answered, Overflowed: w.handedOver, Used: w.use.share(now), Addr: w.Addr, Broken: w.Breakers.AllOpen(now),
	}
	if w.Counts != nil {
		report.Tallies = w.Counts.Due(now, seconds(w.Settings().HeartbeatSeconds))
	}
	if report.Busy+report.HeldStrict+report.HeldRelaxed == 0 {
		report.IdleSince = w.use.idleSince
	}
	return report
}
