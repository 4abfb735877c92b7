package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// begin is the report to go on with: what the file of results holds, if it is of
// these very measurements, else an empty one.
func (c Config) begin() (*Report, error) {
	r := newReport(c)
	if c.Keep == "" {
		return r, nil
	}
	raw, err := os.ReadFile(c.Keep)
	if errors.Is(err, fs.ErrNotExist) {
		return r, c.keep(r) // a place that cannot be written is found before an hour of measuring
	}
	if err != nil {
		return nil, fmt.Errorf("read the results so far: %w", err)
	}
	var kept Report
	if err := json.Unmarshal(raw, &kept); err != nil {
		return nil, fmt.Errorf("read the results so far in %s: %w", c.Keep, err)
	}
	if !kept.continues(r) {
		return nil, fmt.Errorf("%s holds results of other measurements: name another file, or measure the same models, peers, connections and seconds", c.Keep)
	}
	kept.Rounds = r.Rounds
	return &kept, nil
}

// continues reports whether rounds of both reports can be compared.
func (r *Report) continues(other *Report) bool {
	if r.Cores != other.Cores || r.Seconds != other.Seconds || !slices.Equal(r.Connections, other.Connections) || len(r.Workloads) != len(other.Workloads) {
		return false
	}
	for i := range r.Workloads {
		mine, theirs := &r.Workloads[i], &other.Workloads[i]
		same := slices.EqualFunc(mine.Servers, theirs.Servers, func(a, b ServerReport) bool { return a.Name == b.Name })
		if !same || mine.Model != theirs.Model || mine.Kind != theirs.Kind {
			return false
		}
	}
	return true
}

// keep writes what has been measured, whole or not at all.
func (c Config) keep(r *Report) error {
	if c.Keep == "" {
		return nil
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.Keep), 0o755); err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	if err := os.WriteFile(c.Keep+".new", raw, 0o644); err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	if err := os.Rename(c.Keep+".new", c.Keep); err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	return nil
}

// has reports whether a round was measured.
func (s *ServerReport) has(round int) bool {
	return slices.ContainsFunc(s.Rounds, func(r Round) bool { return r.Number == round })
}
