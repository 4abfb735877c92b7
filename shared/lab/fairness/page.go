package fairness

import (
	"fmt"
	"strings"
)

// Page is what was measured, as a page.
type Page struct {
	Date    string  `json:"date"`    // day of the measurement, as 2026-11-28
	Machine string  `json:"machine"` // what it ran on
	Stages  []Stage `json:"stages"`
}

const intro = `# Fairness on one machine

` + "`make fairness`" + ` generates this page. It measures how much the load of one caller (the noisy caller) slows down another caller (the quiet caller). The quiet caller sends small
pictures at a constant rate. Each round has four measurements: the quiet caller alone, the quiet caller while the noisy caller sends 60 pictures of 16 megapixels, the quiet
caller while the noisy caller sends 20 times its share of small pictures, and the quiet caller while endless loops run beside the stage for as long as the large pictures are sent. The loops, one for each core,
have the idle priority of the processes that decode large pictures. Nothing in the stage knows of them: their factor is the part that the kernel's scheduler and the processor cause. The order of the measurements changes from round to round.

The latency of a query counts from the time at which the query was due. A *factor* is the latency divided by the latency without a noisy caller in the same round. A cell has the median over the rounds, and in
brackets the least and the greatest value. The goal is a p99 factor of at most %.2f. It was measured on %s. The machine is %s. The callers' programs run on the same machine, and the noisy
caller has a lower CPU priority.
`

const (
	columns      = "\n| load of the noisy caller | quiet caller: p50 ms | p99 ms | p50 factor | p99 factor | queries answered of sent | noisy caller: queries sent | answered | refused | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
	roundColumns = "\nThe single rounds, with the machine's load average over the minute before each measurement:\n\n| round | load of the noisy caller | load average | quiet caller: p50 ms | p99 ms | p99 factor |\n|--:|---|--:|--:|--:|--:|\n"
)

// Markdown is the page.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, Aim, p.Date, p.Machine)
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
