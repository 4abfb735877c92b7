// Package load drives a server with an open loop of queries: each is sent when
// the arrival process says so, whether or not earlier ones were answered.
// Latency counts from the intended time of sending, so that a server that
// stalls pays for every query that it held up (no coordinated omission).
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Plan is what to send and when.
type Plan struct {
	Times          arrivals.Times
	StrictShare    float64       // share of the queries that are strict, 0 to 1
	StrictMS       float64       // latency bound of a strict query, in milliseconds
	RelaxedMS      float64       // and of a relaxed one
	Inputs         int           // how many inputs there are to draw from
	MaxOutstanding int           // queries without an answer beyond which sending waits
	Grace          time.Duration // how long unanswered queries are waited for after the last was sent
	Seed           uint64

	// AsyncShare is the share of the queries whose callers take a 202 and read the
	// end later, 0 to 1; the others wait in their request.
	AsyncShare float64
	// KeyedShare is the share of the queries with an idempotency key, 0 to 1, and
	// RepeatShare that of the answered ones among them that are sent once more. A key
	// is Keys and the query's number: no two runs on one server may have the same.
	KeyedShare, RepeatShare float64
	Keys                    string
	// Again sends an answered query once more under its key; it must be set where
	// RepeatShare is above 0.
	Again func(ctx context.Context, s Shot, first Answer) Repeat
}

// Shot is one query to send.
type Shot struct {
	Class     query.Class
	LatencyMS float64 // the bound
	Input     int     // which of the plan's inputs
	Async     bool    // its caller does not wait in the request
	Key       string  // its idempotency key; empty for none
	Repeat    bool    // it is sent again under its key, once it is answered
}

// Answer is what became of a query.
type Answer struct {
	ID       string
	State    query.State
	ServedBy query.RunnerKind // empty when nothing answered it
	Cold     bool
	Paced    bool
	MetSLO   bool // as the server counts: from acceptance
	CostUSD  float64
	Retries  int    // runs of it that ended without an answer
	Fault    string // why there is no answer; empty when it succeeded
	// Accepted says that the server owes an end: it answered the submission with 200
	// or 202.
	Accepted bool
	// Took is from the try that was accepted, which is not the first of a query that
	// was refused before, until its caller had the end.
	Took    time.Duration
	Stored  bool      // its id says that its end is stored: its record can be read later
	Label   string    // of the answer
	Model   string    // that it was given to
	EndedAt time.Time // by the server's clock
	Repeat  Repeat    // what its repeat got
}

// Repeat is what a second submission under the key of an answered query got; empty
// without one.
type Repeat string

// What a repeat may get. One without an answer was refused, or cut off.
const (
	SameAnswer      Repeat = "same"
	OtherAnswer     Repeat = "other"
	RepeatNotServed Repeat = "no answer"
)

// Lost says that the server accepted the query and never ended it.
func (a Answer) Lost() bool { return a.Accepted && !a.State.Terminal() }

// Send submits a query and waits until it is finished, or the context ends.
type Send func(ctx context.Context, s Shot) Answer

// Clock is the time of a run; tests pass a fake one.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Row is one query of a run. Times count from the start of the run.
type Row struct {
	Intended time.Duration
	Sent     time.Duration
	Done     time.Duration
	Held     bool // there was no place among the outstanding when it was due
	Shot     Shot
	Answer   Answer
}

// Latency is how long the caller waited: from the intended time of sending.
func (r Row) Latency() time.Duration { return r.Done - r.Intended }

// Met reports whether the query was answered within its bound, as the caller
// sees it: from the intended time of sending.
func (r Row) Met() bool {
	return r.Answer.State == query.Succeeded && r.Latency() <= query.Duration(r.Shot.LatencyMS)
}

// Run sends the plan and hands each finished query to took, one at a time and
// in the order in which they finish. When the context ends it sends no more
// and gives up on what is out; each query that was sent is still handed over.
func Run(ctx context.Context, p Plan, clock Clock, send Send, took func(Row)) {
	out, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{clock: clock, start: clock.Now(), send: send, again: p.Again, rows: make(chan Row, 256), slots: make(chan struct{}, p.MaxOutstanding)}
	var collected sync.WaitGroup
	collected.Go(func() {
		for row := range r.rows {
			took(row)
		}
	})
	r.all(ctx, out, p)
	answered := make(chan struct{})
	go func() { r.outstanding.Wait(); close(answered) }()
	go func() {
		if clock.Sleep(out, p.Grace) == nil {
			stop() // what is out gives up now
		}
	}()
	<-answered
	close(r.rows)
	collected.Wait()
}

type run struct {
	clock       Clock
	start       time.Time
	send        Send
	rows        chan Row
	again       func(context.Context, Shot, Answer) Repeat
	slots       chan struct{} // one taken a query without an answer
	outstanding sync.WaitGroup
}

// all sends every query of the plan at its time, or as soon after it as a
// place among the outstanding is free.
func (r *run) all(ctx, out context.Context, p Plan) {
	draw := p.drawer()
	var free time.Duration // when the last query that had to wait found a place
	for at := range p.Times {
		shot := draw()
		if ahead := at - r.since(); ahead > 0 && r.clock.Sleep(ctx, ahead) != nil {
			return
		}
		held, ok := r.takePlace(ctx)
		if !ok {
			return
		}
		if held {
			free = r.since()
		}
		held = held || at < free // due while another waited
		r.outstanding.Go(func() { r.one(out, Row{Intended: at, Shot: shot, Held: held}) })
	}
}

// takePlace takes a place among the outstanding, and reports whether it had to
// be waited for; it is not ok when the context ended first.
func (r *run) takePlace(ctx context.Context) (held, ok bool) {
	select {
	case r.slots <- struct{}{}:
		return false, true
	default:
	}
	select {
	case r.slots <- struct{}{}:
		return true, true
	case <-ctx.Done():
		return true, false
	}
}

func (r *run) one(ctx context.Context, row Row) {
	row.Sent = r.since()
	row.Answer = r.send(ctx, row.Shot)
	row.Done = r.since()
	if row.Shot.Repeat && row.Answer.State == query.Succeeded {
		row.Answer.Repeat = r.again(ctx, row.Shot, row.Answer)
	}
	<-r.slots
	r.rows <- row
}

func (r *run) since() time.Duration { return r.clock.Now().Sub(r.start) }

// The random streams of a run, one a concern, so that changing one leaves the
// others as they were.
const (
	ArrivalStream = 1
	classStream   = 2
	keyStream     = 3
)

// drawer returns what draws the queries of a run, one after another.
func (p Plan) drawer() func() Shot {
	classes, keys := rand.New(rand.NewPCG(p.Seed, classStream)), rand.New(rand.NewPCG(p.Seed, keyStream))
	number := 0
	return func() Shot {
		s := p.draw(classes)
		number++
		s.Async = keys.Float64() < p.AsyncShare
		if keys.Float64() < p.KeyedShare {
			s.Key = fmt.Sprint(p.Keys, "-", number)
			s.Repeat = keys.Float64() < p.RepeatShare
		}
		return s
	}
}

func (p Plan) draw(random *rand.Rand) Shot {
	s := Shot{Class: query.Relaxed, LatencyMS: p.RelaxedMS}
	if random.Float64() < p.StrictShare {
		s = Shot{Class: query.Strict, LatencyMS: p.StrictMS}
	}
	s.Input = random.IntN(max(1, p.Inputs))
	return s
}
