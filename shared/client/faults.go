package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/api"
)

// faultsPath is where a machine takes faults; no other backend does.
const faultsPath = "local/faults"

// Faults reads what the fleet of one machine has injected.
func (c *Client) Faults(ctx context.Context) (api.Faults, error) {
	var f api.Faults
	err := c.do(ctx, call{method: http.MethodGet, path: faultsPath}, &f)
	return f, err
}

// SetFault injects a fault into the fleet of one machine. A
// *Problem says why it cannot.
func (c *Client) SetFault(ctx context.Context, f api.Fault) (api.Faults, error) {
	var now api.Faults
	err := c.sendJSON(ctx, http.MethodPost, faultsPath, f, &now)
	return now, err
}

// ClearFaults ends a kind of fault, or all with an empty kind.
func (c *Client) ClearFaults(ctx context.Context, kind string) (api.Faults, error) {
	q := url.Values{}
	if kind != "" {
		q.Set("kind", kind)
	}
	var now api.Faults
	err := c.do(ctx, call{method: http.MethodDelete, path: faultsPath, query: q}, &now)
	return now, err
}
