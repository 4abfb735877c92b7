// Package decision is the record of one tick: what was known and how old it
// was, what was weighed, why each candidate lost, what the guard clamped and
// what was done. The log, `paragon explain`, the dashboard and the tests print
// this one value, and replaying it gives the same bytes.
package decision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"paragon/shared/core/procurement"
	"paragon/shared/core/settings"
)

// Input is one signal with its age.
type Input struct {
	Name       string  `json:"name"`
	Value      float64 `json:"value"`
	Unit       string  `json:"unit"`
	AgeSeconds float64 `json:"age_seconds"`
}

// Clamp is a bound outside the scheme that changed what it wanted.
type Clamp struct {
	Wanted int    `json:"wanted"`
	Got    int    `json:"got"`
	By     string `json:"by"` // the setting or limit
}

// String tells it in words.
func (c Clamp) String() string {
	return fmt.Sprintf("wanted %d, clamped to %d by %s", c.Wanted, c.Got, c.By)
}

// Action is what was done.
type Action struct {
	From    int                  `json:"from"` // workers, ready and booting
	Workers int                  `json:"workers"`
	Strict  procurement.Overflow `json:"strict_overflow"`
	Relaxed procurement.Overflow `json:"relaxed_overflow"`
}

// Case is all that a decision was made from, so that it can be made again.
type Case struct {
	At       time.Time            `json:"at"`
	Scheme   string               `json:"scheme"`
	Snapshot procurement.Snapshot `json:"snapshot"`
	Settings settings.Settings    `json:"settings"`
	Before   procurement.State    `json:"before"`
}

// Record is one decision.
type Record struct {
	Case       Case                    `json:"case"`
	Inputs     []Input                 `json:"inputs"`
	Candidates []procurement.Candidate `json:"candidates,omitempty"`
	Reason     string                  `json:"reason"`
	Clamps     []Clamp                 `json:"clamps,omitempty"`
	Action     Action                  `json:"action"`
}

// Guard changes what a scheme wants to what is allowed, and says so. It is the
// controller's; nil allows everything.
type Guard func(wanted int) (int, []Clamp)

// Make decides a case and returns the record and what the scheme must remember.
func Make(c Case, guard Guard) (Record, procurement.State, error) {
	set := c.Settings
	set.Scheme = c.Scheme
	d, after, err := procurement.Decide(c.At, c.Snapshot, set, c.Before)
	if err != nil {
		return Record{}, c.Before, fmt.Errorf("decide: %w", err)
	}
	r := Record{
		Case: c, Inputs: inputs(c, after), Candidates: d.Candidates, Reason: d.Reason,
		Action: Action{From: c.Snapshot.Pool.Ready + c.Snapshot.Pool.Booting, Workers: d.Workers, Strict: d.Strict, Relaxed: d.Relaxed},
	}
	if guard != nil {
		r.Action.Workers, r.Clamps = guard(d.Workers)
	}
	return r, after, nil
}

// inputs lists the signals that the scheme went by.
func inputs(c Case, after procurement.State) []Input {
	s := c.Snapshot
	arrived := 0.0
	for _, a := range s.Arrivals {
		arrived += a.All()
	}
	age := 0.0
	if !s.CoveredTo.IsZero() {
		age = c.At.Sub(s.CoveredTo).Seconds()
	}
	return []Input{
		{"arrivals", arrived, "queries", age},
		{"known_past", float64(len(after.History)), "s", age},
		{"queued", s.Pool.QueuedMS, "ms of one runner", 0},
		{"ready", float64(s.Pool.Ready), "workers", 0},
		{"booting", float64(s.Pool.Booting), "workers", 0},
		{"used", s.Pool.Used, "share", 0},
		{"price_ratio", s.PriceRatio(), "factor", 0},
	}
}

// Bytes are the record as JSON: the same record, the same bytes.
func (r Record) Bytes() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write decision: %w", err)
	}
	return raw, nil
}

// Replay makes a stored decision again and tells whether it comes out the
// same, to the byte. The clamps are the guard's and are taken as they are.
func Replay(stored []byte) (Record, bool, error) {
	var r Record
	if err := json.Unmarshal(stored, &r); err != nil {
		return r, false, fmt.Errorf("read decision: %w", err)
	}
	again, _, err := Make(r.Case, func(wanted int) (int, []Clamp) {
		if len(r.Clamps) == 0 {
			return wanted, nil
		}
		return r.Action.Workers, r.Clamps
	})
	if err != nil {
		return again, false, err
	}
	raw, err := again.Bytes()
	return again, bytes.Equal(raw, stored), err
}

// String tells the decision in a line.
func (r Record) String() string {
	out := fmt.Sprintf("%s %s: %d -> %d workers: %s", r.Case.At.UTC().Format(time.RFC3339), r.Case.Scheme, r.Action.From, r.Action.Workers, r.Reason)
	for _, c := range r.Clamps {
		out += "; " + c.String()
	}
	return out
}
