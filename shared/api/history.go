package api

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// History is what became of a stage's queries over some time, as charts draw it:
// a list a figure, each with a value a step. Counts and times are of the asked
// task and model; workers, queues and costs are of the whole stage.
type History struct {
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	StepSeconds int       `json:"step_seconds"`
	// AtUnixSeconds is the start of each step. A step in which the stage was
	// not up is left out; in an account one without a query and a worker, too.
	AtUnixSeconds []int64                `json:"at_unix_seconds"`
	Classes       map[query.Class]Series `json:"classes"`
	WorkersReady  []float64              `json:"workers_ready"`  // mean
	WorkersWanted []float64              `json:"workers_wanted"` // mean of the desired number
	Queued        []int                  `json:"queued"`         // the most messages that waited
	OldestMS      []float64              `json:"oldest_ms"`      // the longest that one had waited
	CostUSD       []float64              `json:"cost_usd"`       // of workers and functions, in each step
	// OthersUSD is what other schemes would have cost in each step, by the simulator.
	OthersUSD map[string][]float64 `json:"others_usd,omitempty"`
	// Models are the queries of every model over the whole time, by class, those
	// with the most first.
	Models []ModelLoad `json:"models"`
}

// Series is one class of queries, step by step.
type Series struct {
	Answered   []int64   `json:"answered"`
	Failed     []int64   `json:"failed"`
	Expired    []int64   `json:"expired"`
	BadInput   []int64   `json:"bad_input"` // failed by their callers' fault; not among the failed
	Refused    []int64   `json:"refused"`
	Met        []int64   `json:"met"`
	Overflowed []int64   `json:"overflowed"`
	ColdStarts []int64   `json:"cold_starts"`
	P50        []float64 `json:"p50_ms"` // of the latency; 0 where none was answered
	P95        []float64 `json:"p95_ms"`
	P99        []float64 `json:"p99_ms"`
}

// ModelLoad is what became of the queries of one model and class.
type ModelLoad struct {
	Task  string      `json:"task"`
	Model string      `json:"model"`
	Class query.Class `json:"class"`
	Load
}

// Worker is one worker as it last reported.
type Worker struct {
	ID           string    `json:"id"`
	Pool         string    `json:"pool"`
	InstanceType string    `json:"instance_type"`
	State        string    `json:"state"`
	ReportedAt   time.Time `json:"reported_at,omitzero"`
	Runners      int       `json:"runners"`
	Busy         int       `json:"busy"`
	Used         float64   `json:"used"`   // share of the runners' time over the last ten seconds or so
	Queued       int       `json:"queued"` // queries that it holds and does not run yet
	Answered     int64     `json:"answered"`
	Overflowed   int64     `json:"overflowed"`
}

// Workers is a page of the workers, in order of launch.
type Workers struct {
	Workers []Worker `json:"workers"`
	Total   int      `json:"total"` // of all pages
}
