package api

import "time"

// Usage is what the queries of callers came to, by owner and task.
type Usage struct {
	From time.Time `json:"from"` // start of a clock hour
	To   time.Time `json:"to"`
	// Owners are in the order of their cost, the highest first.
	Owners []OwnerUsage `json:"owners"`
}

// OwnerUsage is what the queries of one owner and task came to.
type OwnerUsage struct {
	// Owner is the caller's name; absent for the owners that were not counted by
	// themselves, which are counted together.
	Owner string `json:"owner,omitempty"`
	Task  string `json:"task"`
	// Queries counts those that were answered, failed, expired, were cancelled, had bad
	// input or were turned away.
	Queries  int64 `json:"queries"`
	Answered int64 `json:"answered"`
	// Missed counts the queries that were answered late, failed or expired.
	Missed     int64   `json:"missed"`
	Failed     int64   `json:"failed"`
	Expired    int64   `json:"expired"`
	Cancelled  int64   `json:"cancelled"`
	BadInput   int64   `json:"bad_input"`  // failed by the caller's fault; among neither failed nor missed
	Refused    int64   `json:"refused"`    // turned away: no capacity, no budget
	Overflowed int64   `json:"overflowed"` // answered by an inference function
	CostUSD    float64 `json:"cost_usd"`   // of their time on workers and functions
}
