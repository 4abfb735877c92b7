package httpapi

import (
	"time"

	"paragon/shared/core/query"
	"paragon/shared/core/selection"
	"paragon/shared/intake"
)

// queryAnswer is a query as its caller sees it.
type queryAnswer struct {
	ID         string         `json:"id"`
	State      query.State    `json:"state"`
	Task       string         `json:"task"`
	Model      string         `json:"model"`
	Class      query.Class    `json:"class"`
	AcceptedAt time.Time      `json:"accepted_at"`
	DeadlineAt time.Time      `json:"deadline_at"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
	LatencyMS  *float64       `json:"latency_ms,omitempty"` // from acceptance to the durable result
	QueueMS    *float64       `json:"queue_ms,omitempty"`   // from acceptance to the start of the run
	ComputeMS  *float64       `json:"compute_ms,omitempty"`
	MetSLO     *bool          `json:"met_slo,omitempty"`
	ServedBy   *query.Runner  `json:"served_by,omitempty"`
	Result     *query.Result  `json:"result,omitempty"`
	Failure    *query.Failure `json:"failure,omitempty"`
	CostUSD    float64        `json:"cost_usd"`
	Placement  string         `json:"placement"`
	Trail      query.Trail    `json:"trail"`
}

func answer(r query.Record) queryAnswer {
	q := queryAnswer{
		ID: r.ID, State: r.State, Task: r.Need.Task, Model: r.Model, Class: r.Class,
		AcceptedAt: r.AcceptedAt.UTC(), DeadlineAt: r.DeadlineAt.UTC(), Placement: r.Placement, Trail: r.Trail,
	}
	if q.Trail == nil {
		q.Trail = query.Trail{}
	}
	if o := r.Outcome; o != nil {
		q.finish(r, o)
	}
	return q
}

func (q *queryAnswer) finish(r query.Record, o *query.Outcome) {
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

// explanation tells why a query went where it went.
type explanation struct {
	Query       queryAnswer           `json:"query"`
	Asked       query.Need            `json:"asked"`
	Choice      string                `json:"choice"` // why this model and resource
	PredictedMS float64               `json:"predicted_ms"`
	Candidates  []selection.Candidate `json:"candidates"` // as they stand now
}

func explainedAs(e intake.Explanation) explanation {
	out := explanation{
		Query: answer(e.Record), Asked: e.Record.Need, Choice: e.Record.Choice,
		PredictedMS: e.Record.PredictedMS, Candidates: e.Candidates,
	}
	if out.Candidates == nil {
		out.Candidates = []selection.Candidate{}
	}
	return out
}
