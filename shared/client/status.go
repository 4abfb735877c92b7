package client

import (
	"context"
	"net/http"
	"time"

	"paragon/shared/core/calibration"
	"paragon/shared/core/feedback"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/selection"
	"paragon/shared/core/staleness"
)

// Model is a model that queries may be answered by.
type Model struct {
	Name      string           `json:"name"`
	Task      string           `json:"task"`
	Accuracy  profile.Accuracy `json:"accuracy"`
	MemoryMB  int              `json:"memory_mb"`
	Input     *profile.Input   `json:"input,omitempty"`
	Labels    []string         `json:"labels,omitempty"`
	Resources []Resource       `json:"resources,omitempty"`
}

// Resource is the service time of a model on one resource.
type Resource struct {
	selection.Resource
	MS     profile.Percentiles `json:"service_ms"`
	ColdMS profile.Percentiles `json:"cold_ms,omitzero"`
	Source profile.Source      `json:"source"`
}

// Models reads the models that are served.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var page struct {
		Models []Model `json:"models"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/models"}, &page)
	return page.Models, err
}

// Status is the stage at one moment.
type Status struct {
	At       time.Time                   `json:"at"`
	Pools    []PoolStatus                `json:"pools"`
	Queues   map[string]QueueStatus      `json:"queues"`
	Classes  map[query.Class]ClassStatus `json:"classes"`
	Overflow OverflowStatus              `json:"overflow"`
	// Drifted are the models whose votes contradict their profiles, and Profiles
	// the profiles that are too old or that live answers contradict.
	Drifted         []feedback.Drifted  `json:"drifted,omitempty"`
	Profiles        []staleness.Warning `json:"profile_warnings,omitempty"`
	Desired         map[string]int      `json:"desired,omitempty"` // workers asked for, by pool
	CostUSD         float64             `json:"cost_usd"`          // since CostSince
	CostSince       time.Time           `json:"cost_since,omitzero"`
	Savings         *Savings            `json:"savings,omitempty"`
	SettingsVersion int64               `json:"settings_version"`
	SettingsFaults  []string            `json:"settings_faults,omitempty"`
	Paced           bool                `json:"paced"` // runners are held to their profiles' service times
	Versions        map[string]string   `json:"versions,omitempty"`
}

// Savings is the cost so far beside what other schemes would have cost on the
// same arrivals, or why that is not told.
type Savings struct {
	calibration.Verdict
	CostUSD float64      `json:"cost_usd,omitempty"` // when the others were simulated, at To
	To      time.Time    `json:"to,omitzero"`
	Others  []SchemeCost `json:"others,omitempty"`
}

// SchemeCost is what a scheme would have cost.
type SchemeCost struct {
	Scheme  string  `json:"scheme"`
	CostUSD float64 `json:"cost_usd"`
}

// PoolStatus is the workers of one pool.
type PoolStatus struct {
	Name         string   `json:"name"`
	InstanceType string   `json:"instance_type"`
	Tasks        []string `json:"tasks,omitempty"` // absent means every task
	Booting      int      `json:"booting"`
	Ready        int      `json:"ready"`
	Draining     int      `json:"draining"`
	Runners      int      `json:"runners"` // of the ready workers
	Busy         int      `json:"busy"`
	Held         int      `json:"held"` // queries that the workers hold and do not run yet
	Answered     int64    `json:"answered"`
	Bounced      int64    `json:"bounced"`
}

// QueueStatus is what a queue holds.
type QueueStatus struct {
	Visible  int     `json:"visible"`
	InFlight int     `json:"in_flight"`
	OldestMS float64 `json:"oldest_ms"` // age of the oldest visible message
}

// ClassStatus is one SLO class over the newest queries.
type ClassStatus struct {
	ArrivalsPerSecond float64  `json:"arrivals_per_second"` // over the last minute
	Recent            int      `json:"recent"`              // of the newest queries, those that finished and were not cancelled
	Met               int      `json:"met"`                 // of them, in their bound
	Attainment        *float64 `json:"attainment_percent,omitempty"`
	// LastMinute is the arrivals of each second of the last minute, oldest first.
	LastMinute []float64 `json:"arrivals_last_minute,omitempty"`
}

// OverflowStatus is the part of inference functions in the newest queries.
type OverflowStatus struct {
	Answered    int     `json:"answered"`
	OnFunctions int     `json:"on_functions"`
	Share       float64 `json:"share"` // OnFunctions of Answered, 0 to 1
}

// Status reads how the stage stands.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.do(ctx, call{method: http.MethodGet, path: "v1/status"}, &s)
	return s, err
}
