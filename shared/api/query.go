package api

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Query is a query as its caller sees it.
type Query struct {
	ID         string         `json:"id"`
	State      query.State    `json:"state"`
	Task       string         `json:"task,omitempty"` // absent, like model and class, while nothing but the id is known
	Model      string         `json:"model,omitempty"`
	Class      query.Class    `json:"class,omitempty"`
	AcceptedAt time.Time      `json:"accepted_at"`
	DeadlineAt time.Time      `json:"deadline_at,omitzero"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
	LatencyMS  *float64       `json:"latency_ms,omitempty"` // from acceptance to the durable result; absent until it is finished
	QueueMS    *float64       `json:"queue_ms,omitempty"`   // from acceptance to the start of the run; absent when it never ran
	ComputeMS  *float64       `json:"compute_ms,omitempty"` // likewise
	MetSLO     *bool          `json:"met_slo,omitempty"`    // absent until it is finished
	ServedBy   *query.Runner  `json:"served_by,omitempty"`
	Result     *query.Result  `json:"result,omitempty"`
	Failure    *query.Failure `json:"failure,omitempty"`
	CostUSD    float64        `json:"cost_usd"`
	Placement  string         `json:"placement,omitempty"` // "direct", or the queue it was sent to first
	Choice     string         `json:"choice,omitempty"`    // why this model and resource, in a sentence
	Trail      query.Trail    `json:"trail"`
	// Receipt entitles to feedback on the answer; it comes with the answer to the
	// request alone.
	Receipt string `json:"receipt,omitempty"`
	// Candidates come when the request asks for them (explain).
	Candidates []selection.Candidate `json:"candidates,omitempty"`
}

// Missed reports whether the stage missed the query's bound: it was answered late, failed or
// expired. A query that its caller cancelled, or whose input is at fault, is no miss.
func (q Query) Missed() bool {
	callers := q.State == query.Cancelled || q.Failure != nil && q.Failure.Code.Callers()
	return q.MetSLO != nil && !*q.MetSLO && !callers
}

// Item is what became of one query of a list: a query, or a problem.
type Item struct {
	Status  int      `json:"status"` // as the query alone would have been answered
	Query   *Query   `json:"query,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

// Items is the answer to a list of queries, in its order.
type Items struct {
	Items []Item `json:"items"`
}

// Queries is a list of queries.
type Queries struct {
	Queries []Query `json:"queries"`
}

// Explanation reports why a query went where it went.
type Explanation struct {
	Query       Query                 `json:"query"`
	Asked       query.Need            `json:"asked"`
	Choice      string                `json:"choice"` // why this model and resource, as it was decided
	PredictedMS float64               `json:"predicted_ms"`
	Candidates  []selection.Candidate `json:"candidates"` // as they stand now
}

// Problem is the body of an error (RFC 9457). Programs switch on Type.
type Problem struct {
	Type     string               `json:"type"`
	Title    string               `json:"title"`
	Status   int                  `json:"status"`
	Detail   string               `json:"detail,omitempty"`
	Instance string               `json:"instance,omitempty"`
	Field    string               `json:"field,omitempty"`    // path of the offending part of the request
	Bound    *float64             `json:"bound,omitempty"`    // the bound that was crossed, in the field's unit
	Nearest  *selection.Candidate `json:"nearest,omitempty"`  // the nearest thing that can be had
	Possible *query.Constraints   `json:"possible,omitempty"` // what could be had instead of bounds that nothing keeps
}

// Upload is a place to put an input that is too large to ride in a query.
type Upload struct {
	URI     string            `json:"uri"` // by which a query names it
	URL     string            `json:"url"` // a path of the API, or a whole address
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers,omitempty"`
	Expires time.Time         `json:"expires_at"`
}
