package client

import (
	"context"
	"net/http"

	"paragon/shared/api"
)

// Models reads the models that are served.
func (c *Client) Models(ctx context.Context) ([]api.Model, error) {
	var page api.Models
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/models"}, &page)
	return page.Models, err
}

// Status reads how the stage stands.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/status"}, &s)
	return s, err
}
