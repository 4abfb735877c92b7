package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Setting is one tunable of the stage.
type Setting struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"` // in force
	Default string   `json:"default"`
	Min     string   `json:"min,omitempty"`
	Max     string   `json:"max,omitempty"`
	OneOf   []string `json:"one_of,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Doc     string   `json:"doc"`
}

// Settings are the tunables in force, and what is wrong with those that were set.
type Settings struct {
	Version  int64     `json:"version"`
	Faults   []string  `json:"faults"`
	Settings []Setting `json:"settings"`
}

// Settings reads the settings in force.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	var s Settings
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/settings"}, &s)
	return s, err
}

// Set changes a setting. A *Problem says why a value cannot be taken.
func (c *Client) Set(ctx context.Context, name, value string) (Setting, error) {
	var s Setting
	body, err := json.Marshal(map[string]string{"value": value})
	if err != nil {
		return s, err
	}
	err = c.do(ctx, call{method: http.MethodPut, path: "v1/settings/" + url.PathEscape(name), body: body,
		header: http.Header{"Content-Type": {"application/json"}}}, &s)
	return s, err
}

// Change is one value that a setting was given.
type Change struct {
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	At      time.Time `json:"at"`
}

// History lists what a setting was, newest first.
func (c *Client) History(ctx context.Context, name string, limit int) ([]Change, error) {
	var page struct{ Changes []Change }
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/settings/" + url.PathEscape(name) + "/history",
		query: url.Values{"limit": {strconv.Itoa(limit)}}}, &page)
	return page.Changes, err
}

// Decision is what the controller decided in one tick.
type Decision struct {
	ID      string    `json:"id"`
	Pool    string    `json:"pool"`
	At      time.Time `json:"at"`
	Moves   bool      `json:"moves"` // whether the fleet was to change
	Line    string    `json:"line"`
	Outcome string    `json:"outcome,omitempty"`
	// Explanation and Record come with one decision alone. The record's bytes
	// are those that were stored.
	Explanation string          `json:"explanation,omitempty"`
	Record      json.RawMessage `json:"record,omitempty"`
}

// Decisions lists decisions, newest first; those that move the fleet alone
// when asked.
func (c *Client) Decisions(ctx context.Context, pool string, moves bool, limit int) ([]Decision, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if pool != "" {
		q.Set("pool", pool)
	}
	if moves {
		q.Set("moves", "true")
	}
	var page struct{ Decisions []Decision }
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/decisions", query: q}, &page)
	return page.Decisions, err
}

// Decision reads one decision with its record.
func (c *Client) Decision(ctx context.Context, id string) (Decision, error) {
	var d Decision
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/decisions/" + url.PathEscape(id)}, &d)
	return d, err
}
