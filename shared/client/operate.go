package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/paragon-serving/paragon/shared/api"
)

// Settings reads the settings in force.
func (c *Client) Settings(ctx context.Context) (api.Settings, error) {
	var s api.Settings
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/settings"}, &s)
	return s, err
}

// Set changes a setting. A *Problem says why a value cannot be taken.
func (c *Client) Set(ctx context.Context, name, value string) (api.Setting, error) {
	var s api.Setting
	err := c.sendJSON(ctx, http.MethodPut, "v1/settings/"+url.PathEscape(name), map[string]string{"value": value}, &s)
	return s, err
}

// SetIfUnchanged is Set if the settings have still the version that Settings returned.
func (c *Client) SetIfUnchanged(ctx context.Context, name, value string, version int64) (api.Setting, error) {
	var s api.Setting
	body := struct {
		Value     string `json:"value"`
		IfVersion int64  `json:"if_version"`
	}{value, version}
	err := c.sendJSON(ctx, http.MethodPut, "v1/settings/"+url.PathEscape(name), body, &s)
	return s, err
}

// sendJSON does a call whose body is a value as JSON.
func (c *Client) sendJSON(ctx context.Context, method, path string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: method, path: path, body: body, header: http.Header{"Content-Type": {"application/json"}}}, into)
}

// History lists what a setting was, newest first.
func (c *Client) History(ctx context.Context, name string, limit int) ([]api.Change, error) {
	var page api.Changes
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/settings/" + url.PathEscape(name) + "/history",
		query: url.Values{"limit": {strconv.Itoa(limit)}}}, &page)
	return page.Changes, err
}

// Decisions lists decisions, newest first. It reads as many pages as the limit takes.
func (c *Client) Decisions(ctx context.Context, q api.DecisionQuery) (all []api.Decision, err error) {
	all = []api.Decision{}
	for {
		next := q
		next.Limit = min(q.Limit-len(all), api.MostDecisions)
		page, err := c.pageOfDecisions(ctx, next)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < next.Limit || len(all) >= q.Limit {
			return all, nil
		}
		q.Before = page[len(page)-1].ID
	}
}

func (c *Client) pageOfDecisions(ctx context.Context, of api.DecisionQuery) ([]api.Decision, error) {
	q := url.Values{"limit": {strconv.Itoa(of.Limit)}}
	for name, value := range map[string]string{"pool": of.Pool, "before": of.Before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if of.Moves {
		q.Set("moves", "true")
	}
	var page api.Decisions
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/decisions", query: q}, &page)
	return page.Decisions, err
}

// Decision reads one decision with its record.
func (c *Client) Decision(ctx context.Context, id string) (api.Decision, error) {
	var d api.Decision
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/decisions/" + url.PathEscape(id)}, &d)
	return d, err
}

// DeadLetters lists up to limit dead letters with what Redrive would make of
// them. The queue says where they would be put: overflow, work, or empty for
// what their class asks for.
func (c *Client) DeadLetters(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if queue != "" {
		q.Set("queue", queue)
	}
	var d api.DeadLetters
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/dead-letters", query: q}, &d)
	return d, err
}

// Redrive puts up to limit dead letters back. A repeat puts nothing back twice.
func (c *Client) Redrive(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	body := struct {
		Queue string `json:"queue,omitempty"`
		Limit int    `json:"limit"`
	}{queue, limit}
	var d api.DeadLetters
	err := c.sendJSON(ctx, http.MethodPost, "v1/dead-letters/redrive", body, &d)
	return d, err
}
