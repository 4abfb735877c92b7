package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/api"
)

// Callbacks reads the open callbacks of a machine and its receivers' secrets: that of a
// host, or of all that the settings name.
func (c *Client) Callbacks(ctx context.Context, host string) (api.Callbacks, error) {
	r := call{method: http.MethodGet, path: "local/callbacks"}
	if host != "" {
		r.query = url.Values{"host": {host}}
	}
	var out api.Callbacks
	return out, c.do(ctx, r, &out)
}
