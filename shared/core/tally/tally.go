// Package tally counts what became of queries: how many arrived, were answered,
// failed or kept their bound, what they cost, and how long they took, by task,
// model, class and resource. A process that answers queries keeps a Book; its
// reports carry cumulative snapshots; who reads them follows the differences
// with a History, which knows the last minute and the last hour. It is pure:
// time is passed in.
//
// Direct answers are stored nowhere, so that these counts are all that is known
// of most queries.
package tally

import (
	"cmp"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Key says what a tally is of. Arrivals and refusals have a task and a class
// only; a query that ended without running has no resource.
type Key struct {
	Task  string      `json:"task,omitempty"`
	Model string      `json:"model,omitempty"`
	Class query.Class `json:"class,omitempty"`
	// Resource is what it ran on, as query.Runner names it: an instance type, or
	// an architecture of functions with their memory.
	Resource string `json:"resource,omitempty"`
	MemoryMB int    `json:"memory_mb,omitempty"`
}

// Compare orders keys by task, model, class and resource.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Task, o.Task), cmp.Compare(k.Model, o.Model), cmp.Compare(k.Class, o.Class),
		cmp.Compare(k.Resource, o.Resource), cmp.Compare(k.MemoryMB, o.MemoryMB))
}

// Counts are how many queries there were of each kind.
type Counts struct {
	Arrived   int64 `json:"arrived,omitempty"`  // valid queries, refused ones included; each item of a list is one
	Refused   int64 `json:"refused,omitempty"`  // of them, turned away: no capacity, no budget
	Answered  int64 `json:"answered,omitempty"` // ended with a result
	Failed    int64 `json:"failed,omitempty"`
	Expired   int64 `json:"expired,omitempty"`
	Cancelled int64 `json:"cancelled,omitempty"`
	// BadInput counts the queries that could not be answered by their callers' fault, as
	// only the run found: they are not among the failed.
	BadInput int64 `json:"bad_input,omitempty"`
	// Faults counts runs that failed by the model's fault, also those of queries that
	// another run then answered.
	Faults int64 `json:"faults,omitempty"`
	// Shadowed counts the runs of a version in shadow, failed ones included, and Agreed
	// those of them whose results were as of the version that had answered.
	Shadowed int64 `json:"shadowed,omitempty"`
	Agreed   int64 `json:"agreed,omitempty"`
	// Met counts the answers that came within their bound.
	Met int64 `json:"met,omitempty"`
	// Overflowed counts the answers of inference functions.
	Overflowed int64 `json:"overflowed,omitempty"`
	// ColdStarts counts the answers that had to wait for a function to start.
	ColdStarts int64 `json:"cold_starts,omitempty"`
	// Offered counts the queries that were offered to a peer, and Taken those of
	// them that it answered: the peer counts their ends.
	Offered int64   `json:"offered,omitempty"`
	Taken   int64   `json:"taken,omitempty"`
	CostUSD float64 `json:"cost_usd,omitempty"` // of workers' and functions' time, without the machinery
}

// Ended counts the queries that ended, without those that their callers cancelled or
// that their callers' input made fail: no stage keeps the bound of those.
func (c Counts) Ended() int64 { return c.Answered + c.Failed + c.Expired }

// Add sums counts up.
func (c Counts) Add(o Counts) Counts {
	return Counts{
		Arrived: c.Arrived + o.Arrived, Refused: c.Refused + o.Refused, Answered: c.Answered + o.Answered, Failed: c.Failed + o.Failed,
		Expired: c.Expired + o.Expired, Cancelled: c.Cancelled + o.Cancelled, Met: c.Met + o.Met, Overflowed: c.Overflowed + o.Overflowed,
		ColdStarts: c.ColdStarts + o.ColdStarts,
		BadInput:   c.BadInput + o.BadInput, Faults: c.Faults + o.Faults, Shadowed: c.Shadowed + o.Shadowed, Agreed: c.Agreed + o.Agreed,
		Offered: c.Offered + o.Offered, Taken: c.Taken + o.Taken, CostUSD: c.CostUSD + o.CostUSD,
	}
}

func (c Counts) minus(o Counts) Counts {
	return Counts{
		Arrived: max(0, c.Arrived-o.Arrived), Refused: max(0, c.Refused-o.Refused), Answered: max(0, c.Answered-o.Answered),
		Failed: max(0, c.Failed-o.Failed), Expired: max(0, c.Expired-o.Expired), Cancelled: max(0, c.Cancelled-o.Cancelled),
		Met: max(0, c.Met-o.Met), Overflowed: max(0, c.Overflowed-o.Overflowed), ColdStarts: max(0, c.ColdStarts-o.ColdStarts),
		BadInput: max(0, c.BadInput-o.BadInput), Faults: max(0, c.Faults-o.Faults),
		Shadowed: max(0, c.Shadowed-o.Shadowed), Agreed: max(0, c.Agreed-o.Agreed),
		Offered: max(0, c.Offered-o.Offered), Taken: max(0, c.Taken-o.Taken), CostUSD: max(0, c.CostUSD-o.CostUSD),
	}
}

// Tally is what is known of the queries of one key.
type Tally struct {
	Key
	Counts
	// Latency is from acceptance to the answer, and Wait from acceptance to the
	// start of the run, of answered queries.
	Latency Histogram `json:"latency,omitzero"`
	Wait    Histogram `json:"wait,omitzero"`
	// Compute is how long runs took that can be held against a profile: warm,
	// alone in their batch and not paced.
	Compute Histogram `json:"compute,omitzero"`
	// Paired is how long the version took that had answered the queries on which this
	// one ran in shadow: of the same runs as Compute.
	Paired Histogram `json:"paired,omitzero"`
	// CostSquares sums the squares of what each answer cost, in USD²: with CostUSD it
	// says how sure the mean is.
	CostSquares float64 `json:"cost_squares,omitempty"`
}

// Empty reports whether nothing was counted.
func (t Tally) Empty() bool {
	return t.Counts == Counts{} && t.Latency.IsZero() && t.Wait.IsZero() && t.Compute.IsZero() && t.Paired.IsZero()
}

// Merge returns the queries of both, under t's key.
func (t Tally) Merge(o Tally) Tally {
	return Tally{Key: t.Key, Counts: t.Counts.Add(o.Counts), Latency: t.Latency.Merge(o.Latency),
		Wait: t.Wait.Merge(o.Wait), Compute: t.Compute.Merge(o.Compute), Paired: t.Paired.Merge(o.Paired), CostSquares: t.CostSquares + o.CostSquares}
}

// Minus returns what was counted after an earlier state of the same tally.
func (t Tally) Minus(earlier Tally) Tally {
	return Tally{Key: t.Key, Counts: t.Counts.minus(earlier.Counts), Latency: t.Latency.Minus(earlier.Latency),
		Wait: t.Wait.Minus(earlier.Wait), Compute: t.Compute.Minus(earlier.Compute), Paired: t.Paired.Minus(earlier.Paired), CostSquares: max(0, t.CostSquares-earlier.CostSquares)}
}

// Group merges tallies whose keys are the same after by, in the order of keys.
func Group(ts []Tally, by func(Key) Key) []Tally {
	at := map[Key]int{}
	var out []Tally
	for _, t := range ts {
		t.Key = by(t.Key)
		i, known := at[t.Key]
		if !known {
			at[t.Key] = len(out)
			out = append(out, t)
			continue
		}
		out[i] = out[i].Merge(t)
	}
	slices.SortFunc(out, func(a, b Tally) int { return a.Key.Compare(b.Key) })
	return out
}

// Whole leaves keys as they are.
func Whole(k Key) Key { return k }

// ByModel keeps the task, the model and the class of a key.
func ByModel(k Key) Key { return Key{Task: k.Task, Model: k.Model, Class: k.Class} }

// ByTask keeps the task and the class of a key.
func ByTask(k Key) Key { return Key{Task: k.Task, Class: k.Class} }

// ByClass keeps the class of a key.
func ByClass(k Key) Key { return Key{Class: k.Class} }

// byResource keeps what decides how long a run takes: the model and what it ran on.
func byResource(k Key) Key {
	return Key{Task: k.Task, Model: k.Model, Resource: k.Resource, MemoryMB: k.MemoryMB}
}
