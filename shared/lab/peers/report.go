package peers

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Report is everything that was measured. Ratios are made from it, so that a
// reader can make others.
type Report struct {
	Date        string           `json:"date"`
	Cores       int              `json:"cores"`
	Go          string           `json:"go"`
	Connections []int            `json:"connections"`
	Rounds      int              `json:"rounds"`
	Seconds     float64          `json:"seconds"`
	Reference   string           `json:"reference"`
	Workloads   []WorkloadReport `json:"workloads"`
}

// WorkloadReport is one workload on every server.
type WorkloadReport struct {
	Model string `json:"model"`
	Kind  Kind   `json:"kind"`
	// RatePerSecond is the common rate; 0 means that none was measured.
	RatePerSecond float64        `json:"rate_per_second,omitempty"`
	Servers       []ServerReport `json:"servers"`
}

// ServerReport is one server's rounds: those that it was measured in, and the
// last error of those that it was not.
type ServerReport struct {
	Name   string  `json:"name"`
	Error  string  `json:"error,omitempty"`
	Rounds []Round `json:"rounds,omitempty"`
}

// Round is one turn of one server.
type Round struct {
	Number   int     `json:"number"` // from 1
	Loads    []Load  `json:"loads"`  // one for each number of connections
	AtRate   *Load   `json:"at_rate,omitempty"`
	MemoryMB float64 `json:"memory_mb"`
}

// String says the throughputs.
func (r Round) String() string {
	out := ""
	for _, l := range r.Loads {
		out += fmt.Sprintf("%d: %.0f/s  ", l.Connections, l.PerSecond)
	}
	if r.AtRate != nil {
		out += fmt.Sprintf("p99 %.1f ms at the common rate  ", r.AtRate.P99MS)
	}
	return out + fmt.Sprintf("%.0f MB", r.MemoryMB)
}

func newReport(c Config) *Report {
	r := &Report{
		Date: c.Now().Format(time.DateOnly), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Connections: c.Connections, Rounds: c.Rounds, Seconds: c.Seconds, Reference: c.Reference,
	}
	for _, w := range c.Workloads {
		of := WorkloadReport{Model: w.Model.Name, Kind: w.Kind}
		for _, s := range c.Servers {
			of.Servers = append(of.Servers, ServerReport{Name: s.Name()})
		}
		r.Workloads = append(r.Workloads, of)
	}
	return r
}

// Server returns a server by name.
func (w *WorkloadReport) Server(name string) *ServerReport {
	if i := slices.IndexFunc(w.Servers, func(s ServerReport) bool { return s.Name == name }); i >= 0 {
		return &w.Servers[i]
	}
	return nil
}

// Spread is a figure over the rounds.
type Spread struct {
	Median, Min, Max float64
}

// spread summarizes figures of rounds; it is not ok when there is none.
func spread(xs []float64) (Spread, bool) {
	if len(xs) == 0 {
		return Spread{}, false
	}
	xs = slices.Sorted(slices.Values(xs))
	mid := xs[len(xs)/2]
	if len(xs)%2 == 0 {
		mid = (xs[len(xs)/2-1] + mid) / 2
	}
	return Spread{mid, xs[0], xs[len(xs)-1]}, true
}

// A figure reads one number from a round; NaN where the round has it not.
type figure func(Round) float64

// values are a figure over the rounds of a server.
func (s *ServerReport) values(of figure) (Spread, bool) {
	var xs []float64
	for _, r := range s.Rounds {
		if x := of(r); x == x {
			xs = append(xs, x)
		}
	}
	return spread(xs)
}

// against compares a figure with another server's in the same round, so that
// what slows a round slows both.
func (s *ServerReport) against(other *ServerReport, of figure, compare func(a, b float64) float64) (Spread, bool) {
	if other == nil {
		return Spread{}, false
	}
	var xs []float64
	for _, mine := range s.Rounds {
		for _, theirs := range other.Rounds {
			if x := compare(of(mine), of(theirs)); mine.Number == theirs.Number && x == x {
				xs = append(xs, x)
			}
		}
	}
	return spread(xs)
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

// Ratio is a server's throughput divided by another's, by number of
// connections. It is not ok where either was not measured.
func (w *WorkloadReport) Ratio(name, other string, connections int) (Spread, bool) {
	s := w.Server(name)
	if s == nil {
		return Spread{}, false
	}
	return s.against(w.Server(other), loadFigure(connections, func(l Load) float64 { return l.PerSecond }), ratio)
}
