package fairness

import (
	"fmt"
	"strings"
)

// Page is what was measured, as a page.
type Page struct {
	Machine string  `json:"machine"` // what it ran on
	Stages  []Stage `json:"stages"`
}

const intro = `# Fairness on one machine

Made by ` + "`make fairness`" + `; edit nothing here. What one caller's load costs another one: a quiet caller
sends small pictures evenly, alone, beside 60 pictures of 16 megapixels of a noisy caller, and beside
20 times its share of small pictures, in rounds of one stretch each, whose order changes. Latencies
count from the time at which a query was due. A factor compares a stretch with that beside nobody in
the same round; rows have the median over the rounds, and the least and the most. The aim is a factor
of %.2f of the p99. On %s. The callers' programs run on the same machine, the noisy one's at
a lower priority.
`

const (
	columns      = "\n| beside | p50 ms | p99 ms | p50 factor | p99 factor | quiet: answered of sent | noisy: sent | answered | refused | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
	roundColumns = "\nEach round, with the machine's load average over the minute before the stretch:\n\n| round | beside | load average | p50 ms | p99 ms | p99 factor |\n|--:|---|--:|--:|--:|--:|\n"
)

// Markdown is the page.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, Aim, p.Machine)
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n%s", s.Name, s.About, columns)
		for _, r := range s.Rows() {
			b.WriteString(r.line())
		}
		b.WriteString(roundColumns)
		for i, r := range s.Rounds {
			alone := r.of(Nobody).Quiet.LatencyMS.P99
			for _, t := range r {
				fmt.Fprintf(&b, "| %d | %s | %.1f | %.1f | %.1f | %.2f |\n", i+1, t.Neighbour, t.LoadAverage, t.Quiet.LatencyMS.P50, t.Quiet.LatencyMS.P99, t.Quiet.LatencyMS.P99/alone)
			}
		}
	}
	return b.String()
}

func (r Row) line() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %d of %d | %d | %d | %d | %d |\n", r.Neighbour,
		r.P50MS.text(1), r.P99MS.text(1), r.P50Of.text(2), r.P99Of.text(2), r.Answered, r.Sent, r.NoisySent, r.NoisyAnswered, r.NoisyRefused, r.NoisyFailed)
}

// text has the median, and in brackets the least and the most.
func (s Spread) text(digits int) string {
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, s.Median, digits, s.Least, digits, s.Most)
}
