package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Submission is a query to be: a task, an input, and what is needed of the answer.
// It is what the server reads field by field, to say what is wrong with each.
type Submission struct {
	Task        string            `json:"task,omitempty"` // may be left out when Model is set
	Model       string            `json:"model,omitempty"`
	Input       query.Input       `json:"input"`
	Constraints query.Constraints `json:"constraints,omitzero"`
	Optimize    query.Dimension   `json:"optimize,omitempty"`
	Class       query.Class       `json:"class,omitempty"`
	AllScores   bool              `json:"all_scores,omitempty"` // of every class, and not just the highest
	// Callback is an address that is called with the query's end.
	Callback string `json:"callback,omitempty"`
}

// Options of a submission.
type Options struct {
	// Key makes repeats of the submission one query; empty means a random one for
	// the client's own retries, unless Wait is set: a query that is answered in its
	// request is computed again, which is harmless, and with a key its answer would
	// have to be stored.
	Key string
	// Wait is how long the server may hold its answer back for the result,
	// rounded down to seconds.
	Wait time.Duration
}

// Submit hands a query in. Without a wait, or when the wait was too short,
// the query comes back unfinished. A large input is uploaded first; each upload
// is another input, so that a repeat of one under the same key is refused.
func (c *Client) Submit(ctx context.Context, s Submission, o Options) (api.Query, error) {
	if len(s.Input.Data) > inlineBytes {
		var err error
		if s.Input, err = c.Upload(ctx, s.Input); err != nil {
			return api.Query{}, err
		}
	}
	if s.Callback != "" && o.Key == "" && c.cfg.Attempts > 1 {
		o.Key = rand.Text() // a try that is repeated is one query, with one callback
	}
	body, err := json.Marshal(s)
	if err != nil {
		return api.Query{}, fmt.Errorf("encode the query: %w", err)
	}
	return c.SubmitJSON(ctx, body, o)
}

// SubmitJSON is Submit for a body that is encoded already, so that a load of
// many like queries encodes each picture once.
func (c *Client) SubmitJSON(ctx context.Context, body []byte, o Options) (api.Query, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	if o.Key == "" && c.cfg.Attempts > 1 && o.Wait <= 0 {
		o.Key = rand.Text()
	}
	if o.Key != "" {
		h.Set("Idempotency-Key", o.Key)
	}
	prefer(h, o.Wait)
	return c.query(ctx, call{method: http.MethodPost, path: "v1/queries", body: body, header: h})
}

// Get reads a query, waiting up to wait for it to finish.
func (c *Client) Get(ctx context.Context, id string, wait time.Duration) (api.Query, error) {
	h := http.Header{}
	prefer(h, wait)
	return c.query(ctx, call{method: http.MethodGet, path: "v1/queries/" + url.PathEscape(id), header: h})
}

// query does a call that answers with a query.
func (c *Client) query(ctx context.Context, r call) (api.Query, error) {
	var q api.Query
	err := c.do(ctx, r, &q)
	return q, err
}

// Await reads a query until it is finished. A server that has no room for one
// more waiter answers at once, so that there is a pause between the reads.
func (c *Client) Await(ctx context.Context, q api.Query, wait time.Duration) (api.Query, error) {
	for pause := time.Duration(0); !q.State.Terminal(); pause = min(2*pause+50*time.Millisecond, time.Second) {
		if err := c.sleep(ctx, pause); err != nil {
			return q, err
		}
		next, err := c.Get(ctx, q.ID, wait)
		if err != nil {
			return q, err
		}
		q = next
	}
	return q, nil
}

// Cancel cancels a query and returns it. Cancelling a finished one is a
// Problem of status 409, unless it was cancelled before.
func (c *Client) Cancel(ctx context.Context, id string) (api.Query, error) {
	return c.query(ctx, call{method: http.MethodDelete, path: "v1/queries/" + url.PathEscape(id)})
}

// Recent reads the caller's newest queries, newest first.
func (c *Client) Recent(ctx context.Context, limit int) ([]api.Query, error) {
	var page api.Queries
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/queries", query: query}, &page)
	return page.Queries, err
}
