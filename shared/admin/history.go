package admin

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// Timeline keeps rows of the past.
type Timeline interface {
	// Timeline returns the rows of one step that start in [from, to), oldest first.
	Timeline(ctx context.Context, step time.Duration, from, to time.Time) ([]timeline.Row, error)
}

// mostModels bounds the models of a history: those with the most queries are in it.
const mostModels = 200

// Past is what became of the queries of the last so long, step by step, of one
// task and model when they are named. ErrUnknown where no rows are kept.
func (d *Service) Past(ctx context.Context, length time.Duration, task, model string) (api.History, error) {
	if d.Timeline == nil {
		return api.History{}, fmt.Errorf("history: %w: this stage keeps none", ErrUnknown)
	}
	step := timeline.StepFor(length)
	to := d.Now().Truncate(time.Second)
	from := to.Add(-length).Truncate(step)
	rows, err := d.Timeline.Timeline(ctx, step, from, to)
	if err != nil {
		return api.History{}, err
	}
	h := columns(rows, func(k tally.Key) bool { return (task == "" || k.Task == task) && (model == "" || k.Model == model) })
	h.From, h.To, h.StepSeconds = from, to, int(step/time.Second)
	return h, nil
}

// columns turns rows into lists; takes says whose queries are counted.
func columns(rows []timeline.Row, takes func(tally.Key) bool) api.History {
	h := api.History{At: []int64{}, Classes: map[query.Class]api.Series{}, Models: []api.ModelLoad{}, OthersUSD: map[string][]float64{},
		WorkersReady: []float64{}, WorkersWanted: []float64{}, Queued: []int{}, OldestMS: []float64{}, CostUSD: []float64{}}
	strict, relaxed := newSeries(len(rows)), newSeries(len(rows))
	var all []tally.Tally
	for i, r := range rows {
		h = addGauges(h, i, len(rows), r)
		mine := slices.DeleteFunc(slices.Clone(r.Tallies), func(t tally.Tally) bool { return !takes(t.Key) })
		for _, t := range tally.Group(mine, tally.ByClass) {
			switch t.Class {
			case query.Strict:
				setSeries(strict, i, t)
			case query.Relaxed:
				setSeries(relaxed, i, t)
			}
		}
		all = append(all, r.Tallies...)
	}
	h.Classes[query.Strict], h.Classes[query.Relaxed] = strict, relaxed
	h.Models = modelLoads(all)
	return h
}

func addGauges(h api.History, i, rows int, r timeline.Row) api.History {
	samples := math.Max(1, float64(r.Samples))
	h.At = append(h.At, r.At.Unix())
	h.WorkersReady, h.WorkersWanted = append(h.WorkersReady, tally.Rounded(r.Ready/samples, 3)), append(h.WorkersWanted, tally.Rounded(r.Wanted/samples, 3))
	h.Queued, h.OldestMS, h.CostUSD = append(h.Queued, r.Queued), append(h.OldestMS, tally.Rounded(r.OldestMS, 3)), append(h.CostUSD, tally.Rounded(r.CostUSD, 3))
	for scheme, usd := range r.OthersUSD {
		if h.OthersUSD[scheme] == nil {
			h.OthersUSD[scheme] = make([]float64, rows)
		}
		h.OthersUSD[scheme][i] = tally.Rounded(usd, 3)
	}
	return h
}

func newSeries(n int) api.Series {
	counts := func() []int64 { return make([]int64, n) }
	times := func() []float64 { return make([]float64, n) }
	return api.Series{Answered: counts(), Failed: counts(), Expired: counts(), Refused: counts(), Met: counts(), Overflowed: counts(),
		ColdStarts: counts(), P50: times(), P95: times(), P99: times()}
}

func setSeries(s api.Series, i int, t tally.Tally) {
	s.Answered[i], s.Failed[i], s.Expired[i], s.Refused[i] = t.Answered, t.Failed, t.Expired, t.Refused
	s.Met[i], s.Overflowed[i], s.ColdStarts[i] = t.Met, t.Overflowed, t.ColdStarts
	q := tally.QuantilesOf(t.Latency)
	s.P50[i], s.P95[i], s.P99[i] = q.P50, q.P95, q.P99
}

// modelLoads sums tallies up by task, model and class, and leaves out those of
// which no query ended.
func modelLoads(all []tally.Tally) []api.ModelLoad {
	out := []api.ModelLoad{}
	for _, t := range tally.Group(all, tally.ByModel) {
		if t.Ended()+t.Cancelled+t.BadInput > 0 {
			out = append(out, api.ModelLoad{Task: t.Task, Model: t.Model, Class: t.Class, Load: api.LoadOf(tally.LoadOf(t))})
		}
	}
	slices.SortStableFunc(out, func(a, b api.ModelLoad) int { return cmp.Compare(b.Answered, a.Answered) })
	return out[:min(len(out), mostModels)]
}

// Workers is a page of the workers of every pool, those of one state when it is
// named, and how many there are in all.
func (d *Service) Workers(ctx context.Context, state string, offset, limit int) (api.Workers, error) {
	var all []api.Worker
	for _, pool := range d.Pools {
		ws, err := d.Backend.Fleet.Workers(ctx, pool)
		if err != nil {
			return api.Workers{}, err
		}
		for _, w := range ws {
			if state == "" || string(w.State) == state {
				all = append(all, api.Worker{ID: w.ID, Pool: w.Pool, InstanceType: w.InstanceType, State: string(w.State), ReportedAt: w.At, Runners: w.Runners,
					Busy: w.Busy, Used: tally.Rounded(w.Used, 3), Held: w.Held(), Answered: w.Answered, Bounced: w.Bounced})
			}
		}
	}
	from := min(offset, len(all))
	return api.Workers{Workers: append([]api.Worker{}, all[from:min(from+limit, len(all))]...), Total: len(all)}, nil
}
