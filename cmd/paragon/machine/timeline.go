package machine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// sampleEvery is how often the counts of workers, the queues and the cost are
// read for the timeline.
const sampleEvery = 5 * time.Second

// recorder writes the timeline of this machine, and reads it with the rows that
// are not over yet.
type recorder struct {
	m      *Machine
	owner  *sqlite.Backend
	mu     sync.Mutex // guards writer
	writer *timeline.Writer
	// paid and others are what had been counted of the cost, and of that of other
	// schemes, since this process began.
	paid   float64
	others map[string]float64
}

func newRecorder(ctx context.Context, m *Machine, owner *sqlite.Backend) *recorder {
	return &recorder{m: m, owner: owner, writer: timeline.NewWriter(m.openRows(ctx, owner)), others: map[string]float64{}}
}

// run counts and samples until ctx ends.
func (r *recorder) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.store(context.WithoutCancel(ctx), r.open())
			return
		case now := <-tick.C:
			r.m.metrics.countLate(ctx, r.m.meter.since, now)
			row := r.sample(ctx)
			more := r.m.metrics.count(ctx, r.m.backend.Fleet, now, Pool, platform.FunctionsPool)
			row.Tallies, row.Owners = timeline.Slim(more.Tallies), more.Owners
			r.store(ctx, r.add(now, row))
		}
	}
}

func (r *recorder) add(now time.Time, row timeline.Row) []timeline.Stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writer.Add(now, row)
}

// open are the rows that are not over.
func (r *recorder) open() []timeline.Stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writer.Rows()
}

// Timeline implements admin.Timeline.
func (r *recorder) Timeline(ctx context.Context, step time.Duration, from, to time.Time) ([]timeline.Row, error) {
	rows, err := r.owner.Timeline(ctx, step, from, to)
	if err != nil {
		return nil, err
	}
	for _, o := range r.open() {
		if o.Step != step || o.Row.At.Before(from) || !o.Row.At.Before(to) {
			continue
		}
		rows = slices.DeleteFunc(rows, func(have timeline.Row) bool { return have.At.Equal(o.Row.At) })
		rows = append(rows, o.Row) // the newest
	}
	return rows, nil
}

// openRows are the rows that an earlier process began and that are not over.
func (m *Machine) openRows(ctx context.Context, owner *sqlite.Backend) map[time.Duration]timeline.Row {
	open, now := map[time.Duration]timeline.Row{}, time.Now()
	for _, step := range timeline.Steps {
		rows, err := owner.Timeline(ctx, step, now.Truncate(step), now)
		if err != nil {
			m.log.Warn("the stored history of the current period cannot be read; the counts of this period begin at 0", "period", step.String(), "error", err)
			continue
		}
		for _, r := range rows {
			open[step] = r
		}
	}
	return open
}

func (r *recorder) store(ctx context.Context, rows []timeline.Stored) {
	if len(rows) == 0 {
		return
	}
	if err := r.owner.PutTimeline(ctx, rows...); err != nil {
		r.m.log.Warn("a minute of the history could not be stored", "error", err)
	}
}

// workersReady counts the ready workers as the controller does.
func (m *Machine) workersReady(ctx context.Context) int {
	ws, err := m.backend.Fleet.Workers(ctx, Pool)
	if err != nil {
		return 0
	}
	return len(fleet.Count(ws, time.Now(), m.settings.Current()).Ready)
}

// sample reads the gauges, and what was spent since the last sample.
func (r *recorder) sample(ctx context.Context) timeline.Row {
	row := timeline.Row{Samples: 1, Ready: float64(r.m.workersReady(ctx))}
	if n, err := r.owner.Desired(ctx, Pool); err == nil {
		row.Wanted = float64(n)
	}
	for _, q := range queueNames {
		if q == platform.DeadLetters {
			continue
		}
		if d, err := r.m.backend.Queues.Depth(ctx, q); err == nil {
			row.Queued += d.Visible
			row.OldestMS = max(row.OldestMS, query.Milliseconds(d.Oldest))
		}
	}
	spent := r.m.meter.costUSD()
	row.CostUSD, r.paid = spent-r.paid, spent
	row.OthersUSD = map[string]float64{}
	for _, o := range r.m.savings.Now().Others {
		row.OthersUSD[o.Scheme], r.others[o.Scheme] = o.CostUSD-r.others[o.Scheme], o.CostUSD
	}
	return row
}
