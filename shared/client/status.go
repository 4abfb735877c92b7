package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
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

// Past reads what became of queries in the last hours, of one model when it is named.
func (c *Client) Past(ctx context.Context, length time.Duration, model string) (api.History, error) {
	q := url.Values{"hours": {strconv.Itoa(int(length.Hours()))}}
	if model != "" {
		q.Set("model", model)
	}
	var h api.History
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/history", query: q}, &h)
	return h, err
}

// Usage reads what the queries of the last hours came to, by owner and task: those of
// all owners, or the caller's own.
func (c *Client) Usage(ctx context.Context, length time.Duration, mine bool) (api.Usage, error) {
	path := "v1/usage/owners"
	if mine {
		path = "v1/usage"
	}
	var u api.Usage
	err := c.do(ctx, call{method: http.MethodGet, path: path, query: url.Values{"hours": {strconv.Itoa(int(length.Hours()))}}}, &u)
	return u, err
}

// Workers reads a page of the workers, those of one state when it is named.
func (c *Client) Workers(ctx context.Context, state string, offset, limit int) (api.Workers, error) {
	q := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(limit)}}
	if state != "" {
		q.Set("state", state)
	}
	var w api.Workers
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/workers", query: q}, &w)
	return w, err
}
