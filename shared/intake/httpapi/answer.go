package httpapi

import (
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/intake"
)

// answerTo is what a request gets.
func answerTo(got intake.Answer) api.Query {
	q := answer(got.Record)
	q.Receipt, q.Candidates = got.Receipt, got.Candidates
	return q
}

// Ended is an ended query as its callback has it: as its owner reads it.
func Ended(r query.Record) api.Query { return answer(r) }

// answer is a query as its caller sees it.
func answer(r query.Record) api.Query {
	q := api.Query{
		ID: r.ID, State: r.State, Task: r.Need.Task, Model: r.Model, Class: r.Class,
		AcceptedAt: r.AcceptedAt.UTC(), Placement: r.Placement, Choice: r.Choice, Trail: r.Trail,
	}
	if !r.DeadlineAt.IsZero() {
		q.DeadlineAt = r.DeadlineAt.UTC()
	}
	if q.Trail == nil {
		q.Trail = query.Trail{}
	}
	if o := r.Outcome; o != nil {
		finish(&q, r, o)
	}
	return q
}

func finish(q *api.Query, r query.Record, o *query.Outcome) {
	finished, met := o.FinishedAt.UTC(), r.Met()
	q.FinishedAt, q.MetSLO = &finished, &met
	q.LatencyMS = milliseconds(o.FinishedAt.Sub(r.AcceptedAt))
	if !o.StartedAt.IsZero() {
		q.QueueMS = milliseconds(o.StartedAt.Sub(r.AcceptedAt))
	}
	if o.RanOn != (query.Runner{}) {
		q.ServedBy, q.ComputeMS = &o.RanOn, &o.ComputeMS
	}
	q.Result, q.Failure, q.CostUSD = o.Result, o.Failure, o.CostUSD
}

func milliseconds(d time.Duration) *float64 {
	ms := max(0, query.Milliseconds(d)) // two machines' clocks may disagree a little
	return &ms
}

func explainedAs(e intake.Explanation) api.Explanation {
	out := api.Explanation{
		Query: answer(e.Record), Asked: e.Record.Need, Choice: e.Record.Choice,
		PredictedMS: e.Record.PredictedMS, Candidates: e.Candidates,
	}
	if out.Candidates == nil {
		out.Candidates = []selection.Candidate{}
	}
	return out
}
