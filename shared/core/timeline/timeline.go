// Package timeline keeps what became of a stage's queries over days, as rows of
// a minute, of ten minutes and of an hour: how many were answered, failed and
// overflowed by task, model and class, how long they took, how many workers
// there were, what waited, and what it cost compared with other schemes. It is pure:
// time is passed in.
package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Kept is how long rows are kept.
const Kept = 14 * 24 * time.Hour

// Steps are the lengths of rows, the shortest first. Each is a multiple of the
// one before, so that rows of one add up to rows of the next.
var Steps = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// mostRows bounds the rows of one answer.
const mostRows = 360

// StepFor returns the shortest step with which a length of time has at most 360
// rows, or the longest step.
func StepFor(length time.Duration) time.Duration {
	for _, step := range Steps {
		if length <= mostRows*step {
			return step
		}
	}
	return Steps[len(Steps)-1]
}

// mostSteps bounds the steps of an answer, so that charts of eleven other schemes are small.
const mostSteps = 180

// AnswerStep returns the step of an answer about a length of time: the shortest multiple of
// StepFor with which it has at most 180 steps.
func AnswerStep(length time.Duration) time.Duration {
	step := StepFor(length)
	return step * max(1, (length+mostSteps*step-1)/(mostSteps*step))
}

// Row is what happened in one step.
type Row struct {
	At time.Time `json:"at"` // start of the step
	// Tallies are by task, model and class, with latencies alone of the times.
	Tallies []tally.Tally `json:"tallies,omitempty"`
	// Samples counts how often the gauges were read; Ready and Wanted are sums of
	// as many numbers of workers.
	Samples int     `json:"samples,omitempty"`
	Ready   float64 `json:"ready,omitempty"`
	Wanted  float64 `json:"wanted,omitempty"`
	// Queued and OldestMS are the most that waited in the queues, and the longest
	// that a message had waited, of the samples.
	Queued   int     `json:"queued,omitempty"`
	OldestMS float64 `json:"oldest_ms,omitempty"`
	CostUSD  float64 `json:"cost_usd,omitempty"` // of workers and functions
	// OthersUSD is what other schemes would have cost in the step, by the simulator.
	OthersUSD map[string]float64 `json:"others_usd,omitempty"`
	// Owners are the queries by owner and task, in rows of OwnersStep alone: those
	// of 200 owners and tasks, and the others together.
	Owners []tally.OwnerTally `json:"owners,omitempty"`
}

// Empty reports whether nothing happened in the step: no query, no worker, no cost.
func (r Row) Empty() bool {
	return len(r.Tallies) == 0 && len(r.Owners) == 0 && r.Ready == 0 && r.Wanted == 0 && r.Queued == 0 && r.CostUSD == 0
}

// OwnersStep is the length of the rows that have counts by owner.
const OwnersStep = time.Hour

// Slim keeps what rows keep of tallies: keys without resources, and latencies.
func Slim(ts []tally.Tally) []tally.Tally {
	out := tally.Group(ts, func(k tally.Key) tally.Key { return tally.Key{Task: k.Task, Model: k.Model, Class: k.Class} })
	for i := range out {
		out[i].Wait, out[i].Compute, out[i].Paired, out[i].CostSquares = tally.Histogram{}, tally.Histogram{}, tally.Histogram{}, 0
	}
	return out
}

// Merge returns what happened in both, under r's start.
func (r Row) Merge(o Row) Row {
	r.Tallies = bounded(tally.Group(append(append([]tally.Tally(nil), r.Tallies...), o.Tallies...), tally.Whole))
	r.Samples, r.Ready, r.Wanted = r.Samples+o.Samples, r.Ready+o.Ready, r.Wanted+o.Wanted
	r.Queued, r.OldestMS = max(r.Queued, o.Queued), max(r.OldestMS, o.OldestMS)
	r.CostUSD += o.CostUSD
	if len(o.Owners) > 0 {
		r.Owners = tally.TopOwners(append(append([]tally.OwnerTally(nil), r.Owners...), o.Owners...), tally.HourOwners)
	}
	if len(o.OthersUSD) > 0 {
		others := maps.Clone(r.OthersUSD)
		if others == nil {
			others = map[string]float64{}
		}
		for scheme, usd := range o.OthersUSD {
			others[scheme] += usd
		}
		r.OthersUSD = others
	}
	return r
}

// mostKeys bounds the tasks, models and classes of a row, which a table of an account
// takes up to 400 KB of.
const mostKeys = 400

// bounded keeps the tallies of the most queries, and those of the others by class alone.
func bounded(ts []tally.Tally) []tally.Tally {
	if len(ts) <= mostKeys {
		return ts
	}
	slices.SortStableFunc(ts, func(a, b tally.Tally) int {
		return cmp.Compare(b.Ended()+b.Refused+b.Arrived, a.Ended()+a.Refused+a.Arrived)
	})
	others := tally.Group(ts[mostKeys-len(classes):], tally.ByClass)
	return tally.Group(append(ts[:mostKeys-len(classes):mostKeys-len(classes)], others...), tally.Whole)
}

var classes = []query.Class{query.Strict, query.Relaxed}

// Shorter returns the step below one; false for the shortest.
func Shorter(step time.Duration) (time.Duration, bool) {
	i := slices.Index(Steps, step)
	return Steps[max(0, i-1)], i > 0
}

// Sum adds rows up into rows of a longer step, in their order.
func Sum(step time.Duration, rows []Row) (out []Row) {
	for _, r := range rows {
		if at := r.At.Truncate(step); len(out) == 0 || !out[len(out)-1].At.Equal(at) {
			out = append(out, Row{At: at})
		}
		out[len(out)-1] = out[len(out)-1].Merge(r)
	}
	return out
}

// Writer adds rows up into the current row of every step. It is not safe for
// concurrent use.
type Writer struct{ open []Row }

// NewWriter continues the rows that were open when an earlier writer stopped, by
// step; nil starts anew.
func NewWriter(open map[time.Duration]Row) *Writer {
	w := &Writer{open: make([]Row, len(Steps))}
	for i, step := range Steps {
		w.open[i] = open[step]
	}
	return w
}

// Stored is a row to be stored in place of the one of the same step and start.
type Stored struct {
	Step time.Duration `json:"step"`
	Row  Row           `json:"row"`
}

// Over reports whether nothing more happens in the row's step.
func (s Stored) Over(now time.Time) bool { return !now.Before(s.Row.At.Add(s.Step)) }

// Add counts what happened just before now. It returns the rows that are to be
// stored: none but at the end of a minute, and then the current one of each step. A
// clock that was set back counts for the current rows.
func (w *Writer) Add(now time.Time, r Row) []Stored {
	if now.Before(w.open[0].At) {
		now = w.open[0].At
	}
	var due []Stored
	if minute := now.Truncate(Steps[0]); w.open[0].At.Before(minute) && !w.open[0].At.IsZero() {
		due = w.Rows()
	}
	for i, step := range Steps {
		if at := now.Truncate(step); !w.open[i].At.Equal(at) {
			w.open[i] = Row{At: at}
		}
		part := r
		if step != OwnersStep {
			part.Owners = nil
		}
		w.open[i] = w.open[i].Merge(part)
	}
	return due
}

// Rows returns the current row of every step, as when the writer stops.
func (w *Writer) Rows() []Stored {
	var out []Stored
	for i, step := range Steps {
		if !w.open[i].At.IsZero() {
			out = append(out, Stored{step, w.open[i]})
		}
	}
	return out
}
