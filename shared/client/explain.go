package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/api"
)

// Explain returns why a query of the caller's own went where it went.
func (c *Client) Explain(ctx context.Context, id string) (api.Explanation, error) {
	var e api.Explanation
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/queries/" + url.PathEscape(id) + "/explain"}, &e)
	return e, err
}
