// Package fleet holds the rules on a pool's workers: which of them live, which
// are stuck or dead, and who leaves first. It is pure.
package fleet

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// State is where a worker stands.
type State string

// The states that a worker reports, or that the fleet has for it.
const (
	Booting  State = "booting"
	Ready    State = "ready"
	Draining State = "draining"
	Gone     State = "gone"
)

// The states that only Judge gives, by what a worker did not report.
const (
	Stuck State = "stuck" // silent: it does not count as supply any more
	Dead  State = "dead"  // never came up, or stayed silent: it is ended and replaced
)

// Report is what a worker says of itself.
type Report struct {
	ID           string    `json:"id"`
	Pool         string    `json:"pool"`
	InstanceType string    `json:"instance_type"`
	State        State     `json:"state"`
	At           time.Time `json:"at"`
	Runners      int       `json:"runners"`
	Busy         int       `json:"busy"`
	HeldStrict   int       `json:"held_strict"`
	HeldRelaxed  int       `json:"held_relaxed"`
	StrictMS     float64   `json:"strict_ms"`  // strict work held and running, in milliseconds of one runner
	RelaxedMS    float64   `json:"relaxed_ms"` // likewise
	Answered     int64     `json:"answered"`   // since it started
	Overflowed   int64     `json:"overflowed"`
	Paced        bool      `json:"paced"`
	// IdleSince is when a worker that has nothing to do had something last; zero while it has.
	IdleSince time.Time `json:"idle_since,omitzero"`
	// Used is the share of its runners' time that was used lately, over ten seconds or so.
	Used float64 `json:"used"`
	// Addr is where its HTTP server listens: "unix:" and the path of a socket, or
	// "host:port"; empty when it serves none.
	Addr string `json:"addr,omitempty"`
	// Broken are the models whose breakers are open there.
	Broken []breaker.Open `json:"broken,omitempty"`
	// Suspended says that the worker does not answer, by who asks it. It is set where
	// reports are kept and is no part of what a worker says.
	Suspended bool `json:"suspended,omitempty"`
	// Tallies are what it has counted since it started; Fleet.Tallies returns
	// them, and Workers does not. Most reports leave them out, as they are large.
	Tallies tally.Snapshot `json:"tallies,omitzero"`
}

// Held is how many queries the worker holds that do not run yet.
func (r Report) Held() int { return r.HeldStrict + r.HeldRelaxed }
