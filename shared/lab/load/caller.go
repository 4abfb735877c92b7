package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// Caller sends the queries of a run to a server and reads their ends.
type Caller struct {
	// Submits submits, each try once, and Reads reads ends, as often as it likes.
	Submits, Reads *client.Client
	Body           func(Shot) []byte // of the submission
	Wait           time.Duration     // the most that one request waits for an end
	// Persist says whether a submission with a key is tried again, for as long as it is
	// refused for a reason that passes. Without a key another try is another query.
	Persist bool
	Clock   Clock
}

// persistEvery is between two tries of a submission.
const persistEvery = 500 * time.Millisecond

// Send submits a query and reads its end. It is the Send of a run.
func (c Caller) Send(ctx context.Context, s Shot) Answer {
	q, sent, err := c.submit(ctx, s)
	if err != nil {
		return Answer{ID: q.ID, State: q.State, Fault: fault(err)}
	}
	q, err = c.Reads.Await(ctx, q, c.Wait)
	out := Answer{ID: q.ID, State: q.State, Accepted: true, Stored: stored(q.ID), Took: c.Clock.Now().Sub(sent)}
	if err != nil {
		out.Fault = fault(err)
		return out
	}
	out.end(q)
	return out
}

// submit submits a query, and returns when the try was sent that was answered.
func (c Caller) submit(ctx context.Context, s Shot) (api.Query, time.Time, error) {
	o := client.Options{Key: s.Key, Wait: c.Wait}
	if s.Async {
		o.Wait = 0
	}
	for {
		sent := c.Clock.Now()
		q, err := c.Submits.SubmitJSON(ctx, c.Body(s), o)
		if err == nil || !c.Persist || s.Key == "" || !passes(err) || c.Clock.Sleep(ctx, persistEvery) != nil {
			return q, sent, err
		}
	}
}

// passes says whether another try under the same key may be answered.
func passes(err error) bool {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests
	}
	_, unreachable := errors.AsType[*client.Unreachable](err)
	return unreachable
}

// Again sends an answered query once more under its key and compares: the first
// answer is due. It is the Again of a Plan.
func (c Caller) Again(ctx context.Context, s Shot, first Answer) Repeat {
	again, _, err := c.submit(ctx, s)
	if err == nil {
		again, err = c.Reads.Await(ctx, again, c.Wait)
	}
	switch {
	case err != nil:
		return RepeatNotServed
	case again.ID != first.ID || again.State != first.State || label(again) != first.Label:
		return OtherAnswer
	}
	return SameAnswer
}

// end notes how a query ended.
func (a *Answer) end(q api.Query) {
	a.CostUSD, a.MetSLO, a.Retries = q.CostUSD, q.MetSLO != nil && *q.MetSLO, q.Trail.Count(query.StepRetried)
	a.Label, a.Model = label(q), q.Model
	if q.FinishedAt != nil {
		a.EndedAt = *q.FinishedAt
	}
	if q.ServedBy != nil {
		a.ServedBy, a.Cold, a.Paced = q.ServedBy.Kind, q.ServedBy.Cold, q.ServedBy.Paced
	}
	if q.Failure != nil {
		a.Fault = string(q.Failure.Code)
	}
}

func label(q api.Query) string {
	if q.Result == nil {
		return ""
	}
	return q.Result.Label
}

// fault names in a word or two why there is no answer.
func fault(err error) string {
	var p *client.Problem
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return "given up by the client"
	case errors.As(err, &p):
		return fmt.Sprintf("HTTP %d %s", p.Status, p.Kind())
	}
	return "no answer from the server"
}

// stored says whether a query's end can be read later, as its id says. Its placement does
// not: a query that overflowed may have been answered by a function in its request.
func stored(id string) bool {
	read, err := signed.PeekID(id)
	return err == nil && read.Kind == signed.Stored
}
