package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Archive is what became of queries over hours and days: what a caller of the API may
// read in an account too, where all else is operated elsewhere.
type Archive struct {
	Timeline timeline.Reader // nil where no rows are kept
	Owners   platform.Owners // nil where the rows have the counts by owner
	Now      func() time.Time
}

// ArchiveOf reads the past of a stage in an account, where rows are stored when they are
// over; what is not kept is nil.
func ArchiveOf(t platform.Timeline, o platform.Owners, now func() time.Time) *Archive {
	a := &Archive{Owners: o, Now: now}
	if t != nil {
		a.Timeline = timeline.Completed{Stored: t, Now: now}
	}
	return a
}

// Archive is the past of the stage.
func (d *Service) Archive() *Archive { return &Archive{d.Timeline, d.Backend.Owners, d.Now} }

// mostBytes bounds a history as JSON, to less than GET /v1/live answers with at once. What
// the lists leave of it is for the models with the most queries.
const mostBytes = 96_000

// rowsRead is how many rows are read at a time: those of 50 models take 10 MB of memory,
// and the api function has little. It is a multiple of the rows of a step of an answer.
const rowsRead = 60

// Past is what became of the queries of the last length, step by step, of one
// task and model when they are named. ErrUnknown where no rows are kept.
func (a *Archive) Past(ctx context.Context, length time.Duration, task, model string) (api.History, error) {
	if a.Timeline == nil {
		return api.History{}, fmt.Errorf("history: %w: this stage stores no history", ErrUnknown)
	}
	step := timeline.StepFor(length)
	to := a.Now().Truncate(time.Second)
	answered := timeline.AnswerStep(length)
	from := to.Add(-length).Truncate(answered)
	c := newColumns(func(k tally.Key) bool { return (task == "" || k.Task == task) && (model == "" || k.Model == model) })
	for at := from; at.Before(to); at = at.Add(rowsRead * step) {
		end := at.Add(rowsRead * step)
		if end.After(to) {
			end = to
		}
		rows, err := a.Timeline.Timeline(ctx, step, at, end)
		if err != nil {
			return api.History{}, err
		}
		c.add(timeline.Sum(answered, rows))
	}
	h := c.history()
	h.From, h.To, h.StepSeconds = from, to, int(answered/time.Second)
	if err := cutModels(&h); err != nil {
		return api.History{}, err
	}
	return h, nil
}

// Past is that of the Archive.
func (d *Service) Past(ctx context.Context, length time.Duration, task, model string) (api.History, error) {
	return d.Archive().Past(ctx, length, task, model)
}

// columns turns rows into lists.
type columns struct {
	takes  func(tally.Key) bool // says whose queries are counted by time
	h      api.History
	models []tally.Tally
}

func newColumns(takes func(tally.Key) bool) *columns {
	return &columns{takes: takes, h: api.History{AtUnixSeconds: []int64{}, Classes: map[query.Class]api.Series{query.Strict: newSeries(), query.Relaxed: newSeries()},
		OthersUSD: map[string][]float64{}, WorkersReady: []float64{}, WorkersWanted: []float64{}, Queued: []int{}, OldestMS: []float64{}, CostUSD: []float64{}}}
}

func (c *columns) add(rows []timeline.Row) {
	all := c.models
	for _, r := range rows {
		c.addGauges(r)
		mine := slices.DeleteFunc(slices.Clone(r.Tallies), func(t tally.Tally) bool { return !c.takes(t.Key) })
		by := map[query.Class]tally.Tally{}
		for _, t := range tally.Group(mine, tally.ByClass) {
			by[t.Class] = t
		}
		for class, s := range c.h.Classes {
			c.h.Classes[class] = appended(s, by[class])
		}
		all = append(all, r.Tallies...)
	}
	c.models = tally.Group(all, tally.ByModel)
}

// history are the lists, all of the same length.
func (c *columns) history() api.History {
	for scheme, usd := range c.h.OthersUSD {
		c.h.OthersUSD[scheme] = append(usd, make([]float64, len(c.h.AtUnixSeconds)-len(usd))...)
	}
	c.h.Models = modelLoads(c.models)
	return c.h
}

func (c *columns) addGauges(r timeline.Row) {
	h, samples := &c.h, math.Max(1, float64(r.Samples))
	for scheme, usd := range r.OthersUSD {
		before := h.OthersUSD[scheme]
		h.OthersUSD[scheme] = append(append(before, make([]float64, len(h.AtUnixSeconds)-len(before))...), tally.Rounded(usd, 3))
	}
	h.AtUnixSeconds = append(h.AtUnixSeconds, r.At.Unix())
	h.WorkersReady, h.WorkersWanted = append(h.WorkersReady, tally.Rounded(r.Ready/samples, 3)), append(h.WorkersWanted, tally.Rounded(r.Wanted/samples, 3))
	h.Queued, h.OldestMS, h.CostUSD = append(h.Queued, r.Queued), append(h.OldestMS, tally.Rounded(r.OldestMS, 3)), append(h.CostUSD, tally.Rounded(r.CostUSD, 3))
}

func newSeries() api.Series {
	return api.Series{Answered: []int64{}, Failed: []int64{}, Expired: []int64{}, BadInput: []int64{}, Refused: []int64{}, Met: []int64{}, Overflowed: []int64{},
		ColdStarts: []int64{}, P50: []float64{}, P95: []float64{}, P99: []float64{}}
}

func appended(s api.Series, t tally.Tally) api.Series {
	s.Answered, s.Failed, s.Expired = append(s.Answered, t.Answered), append(s.Failed, t.Failed), append(s.Expired, t.Expired)
	s.BadInput, s.Refused, s.Met, s.Overflowed = append(s.BadInput, t.BadInput), append(s.Refused, t.Refused), append(s.Met, t.Met), append(s.Overflowed, t.Overflowed)
	s.ColdStarts = append(s.ColdStarts, t.ColdStarts)
	q := tally.QuantilesOf(t.Latency)
	s.P50, s.P95, s.P99 = append(s.P50, q.P50), append(s.P95, q.P95), append(s.P99, q.P99)
	return s
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
	return out
}

// cutModels leaves out of a history the models with the fewest queries that do not fit.
func cutModels(h *api.History) error {
	all := h.Models
	h.Models = []api.ModelLoad{}
	lists, err := json.Marshal(h)
	size := len(lists)
	for i := 0; err == nil && i < len(all); i++ {
		var model []byte
		model, err = json.Marshal(all[i])
		if size += len(model) + len(","); size > mostBytes {
			break
		}
		h.Models = append(h.Models, all[i])
	}
	if err != nil {
		return fmt.Errorf("encode the history: %w", err)
	}
	return nil
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
					Busy: w.Busy, Used: tally.Rounded(w.Used, 3), Queued: w.Held(), Answered: w.Answered, Overflowed: w.Overflowed})
			}
		}
	}
	from := min(offset, len(all))
	return api.Workers{Workers: append([]api.Worker{}, all[from:min(from+limit, len(all))]...), Total: len(all)}, nil
}
