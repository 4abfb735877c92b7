// Package fairness reports what one caller costs another one on the same stage: the
// latencies of a quiet caller alone, and with another caller's load, in rounds that
// have one stretch of each.
package fairness

import (
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// Neighbour is what the noisy caller does during a stretch.
type Neighbour string

// What a round has a stretch of. Share is of small inputs, as the quiet caller's are.
// Loops has no noisy caller: endless loops outside the stage run at the idle priority at
// which pictures are decoded, one for each core. Its factor is what the kernel's scheduler
// and the processor cost, whatever the stage does.
const (
	Nobody Neighbour = "nobody"
	Large  Neighbour = "60 large pictures"
	Share  Neighbour = "20 times its share"
	Loops  Neighbour = "none, but loops of idle priority"
)

// Neighbours are the stretches of a round.
var Neighbours = []Neighbour{Nobody, Large, Share, Loops}

// Aim is the most that the quiet caller's p99 may grow by, as a factor.
const Aim = 1.10

// Stretch is one load of the quiet caller, and that of the noisy one at the same time.
type Stretch struct {
	Neighbour Neighbour `json:"neighbour"`
	// LoadAverage is that of the machine over the last minute, at the beginning: of the
	// stretch before it, too, and of other programs.
	LoadAverage float64     `json:"load_average"`
	Quiet       load.Group  `json:"quiet"`
	Noisy       *load.Group `json:"noisy,omitempty"` // absent if there is no other load
}

// Round is one stretch with each neighbor.
type Round []Stretch

func (r Round) of(b Neighbour) Stretch {
	i := slices.IndexFunc(r, func(s Stretch) bool { return s.Neighbour == b })
	if i < 0 {
		return Stretch{Neighbour: b}
	}
	return r[i]
}

// Stage is a stage that was measured.
type Stage struct {
	Name   string  `json:"name"`
	About  string  `json:"about"` // a sentence: what it is, and the two loads
	Rounds []Round `json:"rounds"`
}

// Spread is the median over the rounds, and the least and the most.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func spreadOf(values []float64) Spread {
	return Spread{arrivals.Median(values), slices.Min(values), slices.Max(values)}
}

// Row is what the quiet caller saw with one load, over all rounds.
type Row struct {
	Neighbour      Neighbour `json:"neighbour"`
	P50MS, P99MS   Spread
	P50Of, P99Of   Spread // as a factor of that with no other load in the same round
	Sent, Answered int    // of the quiet caller
	// Of the noisy caller: Refused were answered with 429 or 503, Failed are all others.
	NoisySent, NoisyAnswered, NoisyRefused, NoisyFailed int
}

// Rows add the rounds up.
func (s Stage) Rows() []Row {
	var out []Row
	for _, b := range Neighbours {
		if len(s.Rounds) > 0 {
			out = append(out, s.row(b))
		}
	}
	return out
}

func (s Stage) row(b Neighbour) Row {
	row := Row{Neighbour: b}
	var p50, p99, p50Of, p99Of []float64
	for _, r := range s.Rounds {
		alone, here := r.of(Nobody).Quiet, r.of(b)
		p50, p99 = append(p50, here.Quiet.LatencyMS.P50), append(p99, here.Quiet.LatencyMS.P99)
		p50Of = append(p50Of, here.Quiet.LatencyMS.P50/alone.LatencyMS.P50)
		p99Of = append(p99Of, here.Quiet.LatencyMS.P99/alone.LatencyMS.P99)
		row.Sent += here.Quiet.Sent
		row.Answered += here.Quiet.Answered
		if n := here.Noisy; n != nil {
			refused := refusals(n.Faults)
			row.NoisySent += n.Sent
			row.NoisyAnswered += n.Answered
			row.NoisyRefused += refused
			row.NoisyFailed += n.Failed - refused
		}
	}
	row.P50MS, row.P99MS, row.P50Of, row.P99Of = spreadOf(p50), spreadOf(p99), spreadOf(p50Of), spreadOf(p99Of)
	return row
}

// refusals counts the queries that the stage refused to take.
func refusals(faults map[string]int) int {
	n := 0
	for fault, count := range faults {
		if strings.HasPrefix(fault, "HTTP 429") || strings.HasPrefix(fault, "HTTP 503") {
			n += count
		}
	}
	return n
}
