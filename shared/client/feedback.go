package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/core/feedback"
)

// Feedback says whether the answer to a query of the caller's own was right. The
// receipt is the one that came with the answer; it may be empty for a query that
// was stored. A query has one vote: a second is a *Problem of status 409.
func (c *Client) Feedback(ctx context.Context, id, receipt string, o feedback.Opinion) error {
	body, err := json.Marshal(struct {
		feedback.Opinion
		Receipt string `json:"receipt,omitempty"`
	}{o, receipt})
	if err != nil {
		return fmt.Errorf("encode feedback on query %s: %w", id, err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	return c.do(ctx, call{method: http.MethodPost, path: "v1/queries/" + url.PathEscape(id) + "/feedback", body: body, header: h}, nil)
}
