// Package query holds what a caller asks and what became of it: the
// constraints, the SLO class, the message that travels through the queues and
// the stored record. It is pure: time is passed in, and nothing here touches a
// store or a queue.
package query

import (
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Class is the SLO class of a query.
type Class string

// The two SLO classes. A strict query may overflow to an inference function; a
// relaxed one waits for a worker.
const (
	Strict  Class = "strict"
	Relaxed Class = "relaxed"
)

// Dimension is one of the three things a caller bounds or optimizes.
type Dimension string

// The three dimensions of a choice.
const (
	Latency  Dimension = "latency"
	Accuracy Dimension = "accuracy"
	Cost     Dimension = "cost"
)

// Constraints bound the choice of model and resource. Zero means unbounded.
type Constraints struct {
	// LatencyMS is the most milliseconds from acceptance to the durable result.
	LatencyMS float64 `json:"latency_ms,omitempty"`
	// Accuracy is the least share of right answers, in percent (top-1).
	Accuracy float64 `json:"accuracy,omitempty"`
	// CostUSDPerMillion is the most that a million such queries may cost, in US dollars.
	CostUSDPerMillion float64 `json:"cost_usd_per_million,omitempty"`
}

// PercentOfShare returns what a bound of the accuracy was meant to be in percent, if it
// is a share, 0.9 for 90 %: as a percentage it would be no bound at all, and the worst
// model would be as good as any.
func PercentOfShare(accuracy float64) (percent float64, share bool) {
	return 100 * accuracy, accuracy > 0 && accuracy <= 1
}

// Weights make a linear combination of the three dimensions the objective.
// They are shares of a whole; zero means that the dimension does not count.
type Weights struct {
	Latency  float64 `json:"latency,omitempty"`
	Accuracy float64 `json:"accuracy,omitempty"`
	Cost     float64 `json:"cost,omitempty"`
}

// Need is all that selection knows of a query: a task, bounds and an objective.
type Need struct {
	Task        string      `json:"task"`
	Model       string      `json:"model,omitempty"` // set when the caller insists on one
	Constraints Constraints `json:"constraints,omitzero"`
	Optimize    Dimension   `json:"optimize,omitempty"`
	Weights     Weights     `json:"weights,omitzero"` // used when Optimize is empty
	Class       Class       `json:"class,omitempty"`  // set when the caller insists on one
}

// Objective is what is optimized: what the need names; without a name the third where two
// are bounded, else cost. It is empty where weights are given.
func (n Need) Objective() Dimension {
	c := n.Constraints
	switch {
	case n.Optimize != "":
		return n.Optimize
	case n.Weights != Weights{}:
		return ""
	case c.LatencyMS > 0 && c.CostUSDPerMillion > 0 && c.Accuracy == 0:
		return Accuracy
	case c.Accuracy > 0 && c.CostUSDPerMillion > 0 && c.LatencyMS == 0:
		return Latency
	}
	return Cost
}

// ClassOf returns the SLO class of a need: what the caller insists on, else
// strict when its latency bound is below strictBelowMS.
func (n Need) ClassOf(strictBelowMS float64) Class {
	if n.Class != "" {
		return n.Class
	}
	if n.Constraints.LatencyMS > 0 && n.Constraints.LatencyMS < strictBelowMS {
		return Strict
	}
	return Relaxed
}

// Input is the caller's data, inline or by reference to an upload.
type Input struct {
	ContentType string `json:"content_type"`
	Data        []byte `json:"data,omitempty"`
	URI         string `json:"uri,omitempty"`
	// SHA256 is the digest of an input that is kept apart from its message: of the bytes
	// with which the query was accepted.
	SHA256 string `json:"sha256,omitempty"`
	// Decoding is what a large picture takes besides the model, as intake read it in
	// the picture's header.
	Decoding profile.Decoding `json:"decoding,omitzero"`
}

// Event names what happened to a query at one step of its way.
type Event string

// The events of a trail, in the order in which they can first occur.
const (
	StepPlaced   Event = "placed"   // intake chose a route
	StepDeclined Event = "declined" // a worker handed it over: it would start too late here
	StepReturned Event = "returned" // a function threw it back: throttle or fault
	StepRetried  Event = "retried"  // a run failed and another is tried
	StepRedriven Event = "redriven" // a person put it back from the dead letters
	StepRan      Event = "ran"      // it was answered here
)

// Step is one step of a query's way, for the explanation.
type Step struct {
	At    time.Time `json:"at"`
	Event Event     `json:"event"`
	Where string    `json:"where"` // queue, worker or function
	Why   string    `json:"why,omitempty"`
}

// maxTrail and maxWhy keep the explanation below about 1 KB a query, as it
// rides in every message and terminal record.
const (
	maxTrail = 8
	maxWhy   = 120
)

// Trail is the way a query went, oldest step first.
type Trail []Step

// Add returns the trail with one more step. A full trail keeps its first step
// and forgets the second oldest, as where it was placed and what happened last
// explain the most. The receiver is not changed.
func (t Trail) Add(s Step) Trail {
	if len(s.Why) > maxWhy {
		s.Why = strings.ToValidUTF8(s.Why[:maxWhy-3], "") + "..."
	}
	out := make(Trail, 0, len(t)+1)
	out = append(out, t...)
	if len(out) == maxTrail {
		out = append(out[:1], out[2:]...)
	}
	return append(out, s)
}

// Count returns how many steps of the trail are of one event.
func (t Trail) Count(e Event) int {
	n := 0
	for _, s := range t {
		if s.Event == e {
			n++
		}
	}
	return n
}

// MostDeaths is how many workers may end while they hold a query: it may be what ends
// them, and is given to no further one. With two, queries that only waited in workers
// which were killed failed now and then.
const MostDeaths = 3

// Message is what travels through the queues. It carries all that a worker or
// the dispatcher needs, so that neither reads the store to start.
type Message struct {
	ID         string    `json:"id"`
	Owner      string    `json:"owner"` // whose uploads it may name
	Task       string    `json:"task"`
	Model      string    `json:"model"`
	Class      Class     `json:"class"`
	AcceptedAt time.Time `json:"accepted_at"`
	DeadlineAt time.Time `json:"deadline_at"` // acceptance plus the latency bound
	ExpiresAt  time.Time `json:"expires_at"`  // the process that finds it unfinished after this ends it
	Input      Input     `json:"input"`
	Attempts   int       `json:"attempts,omitempty"` // runs that failed so far
	// Died has the id of each worker that ended while it held the query, each once: what saw the
	// end of a request and what saw the end of its process both name it.
	Died   []string `json:"died,omitempty"`
	Pinned bool     `json:"pinned,omitempty"` // may not be handed over again: functions returned it
	// Refuser is a version on trial that could not run on the input: if what is served
	// can, the fault was the version's.
	Refuser string `json:"refuser,omitempty"`
	Trail   Trail  `json:"trail,omitempty"`
	Trace   string `json:"trace,omitempty"` // W3C traceparent of the span that sent it, when it is traced

	// What else the terminal record says, so that the process that ends the query
	// writes it whole without reading anything.
	Need        Need      `json:"need"`
	ForgetAt    time.Time `json:"forget_at"` // end of the record's retention
	Placement   string    `json:"placement"` // the queue it was sent to first
	PredictedMS float64   `json:"predicted_ms,omitempty"`
	Choice      string    `json:"choice,omitempty"` // why this model and resource, in a sentence
	// RetryOf is the id of the query that ended without an answer and that this
	// one asks again.
	RetryOf string `json:"retry_of,omitempty"`
	// AllScores asks for the score of every class.
	AllScores bool `json:"all_scores,omitempty"`
	// Keyed queries have an Idempotency-Key: consumers look for their record
	// before they run them.
	Keyed bool `json:"keyed,omitempty"`
	// Callback is the address that is called with the query's end; empty without one.
	Callback string `json:"callback,omitempty"`
}

// Stored reports whether the query's end is stored whichever way it is answered: for
// repeats under its key, or for its callback.
func (m Message) Stored() bool { return m.Keyed || m.Callback != "" }

// HalfLeft is half of the time that is left until the query expires. Functions have no
// longer for it: the other half is a worker's, as a function that hangs, or that gets no
// processor time to start, would keep the query until it expires. Half of a new query's time
// is one and a half times its latency bound or more, so no function that keeps the bound is
// cut short.
func (m Message) HalfLeft(now time.Time) time.Duration { return m.ExpiresAt.Sub(now) / 2 }

// Ended returns the record of a message's query with its terminal outcome.
func (m Message) Ended(o Outcome) Record {
	r := Record{
		ID: m.ID, Owner: m.Owner, State: o.State, Need: m.Need, Model: m.Model, Class: m.Class,
		AcceptedAt: m.AcceptedAt, DeadlineAt: m.DeadlineAt, ExpiresAt: m.ExpiresAt, ForgetAt: m.ForgetAt,
		Placement: m.Placement, PredictedMS: m.PredictedMS, Choice: m.Choice, RetryOf: m.RetryOf, Trail: m.Trail, Callback: m.Callback,
	}
	if len(o.Trail) > 0 {
		r.Trail = o.Trail
		o.Trail = nil // kept once, on the record
	}
	r.Outcome = &o
	return r
}

// ExpiresAt returns when an unfinished query may be ended that was accepted at that
// time: the larger of a minute and three times its latency bound later.
func ExpiresAt(acceptedAt time.Time, latencyMS float64) time.Time {
	wait := max(time.Minute, 3*Duration(latencyMS))
	return acceptedAt.Add(wait)
}

// TextType is the content type of an input that is text, UTF-8.
const TextType = "text/plain"

// Duration turns milliseconds into a time.Duration.
func Duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Milliseconds turns a time.Duration into milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
