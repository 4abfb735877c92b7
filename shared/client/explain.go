package client

import (
	"context"
	"net/http"
	"net/url"

	"paragon/shared/core/query"
	"paragon/shared/core/selection"
)

// Explanation tells why a query went where it went.
type Explanation struct {
	Query       Query                 `json:"query"`
	Asked       query.Need            `json:"asked"`
	Choice      string                `json:"choice"` // why this model and resource, as it was decided
	PredictedMS float64               `json:"predicted_ms"`
	Candidates  []selection.Candidate `json:"candidates"` // under the load of this moment
}

// Explain returns why a query of the caller's own went where it went.
func (c *Client) Explain(ctx context.Context, id string) (Explanation, error) {
	var e Explanation
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/queries/" + url.PathEscape(id) + "/explain"}, &e)
	return e, err
}
