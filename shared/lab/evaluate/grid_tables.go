package evaluate

import (
	"fmt"
	"strings"
)

// table writes a head of columns, of which the first few hold text.
func table(b *strings.Builder, text int, columns ...string) {
	fmt.Fprintf(b, "| %s |\n|%s%s\n", strings.Join(columns, " | "), strings.Repeat("---|", text), strings.Repeat("--:|", len(columns)-text))
}

func writeLoads(b *strings.Builder, grids []Grid) {
	b.WriteString("\n## The loads\n\nThe *ratio* of a trace is the highest number of arrivals in a bin divided by the median number. *Peak to median* is this ratio divided\n" +
		"by the expected ratio of a Poisson process of the same rate. A bin is long enough for at least 100 expected arrivals. *Spread* is the standard deviation of the arrivals per\n" +
		"bin, divided by their mean. A dash means that the trace has no counts for bins this short.\n\n")
	columns := []string{"trace", "queries/s", "peak to median"}
	for _, s := range spreadSeconds {
		columns = append(columns, fmt.Sprintf("spread in bins of %d s", s))
	}
	table(b, 1, columns...)
	for _, g := range grids {
		writeLoad(b, g.Trace, g.Load)
		if l, ok := Recorded(g.Trace); ok {
			writeLoad(b, "recorded original of "+g.Trace, l)
		}
	}
}

func writeLoad(b *strings.Builder, name string, l Load) {
	fmt.Fprintf(b, "| %s | %.0f | %.2f |", name, l.PerSecond, l.PeakToMedian)
	for _, s := range l.Spread {
		if s == 0 {
			b.WriteString(" - |")
			continue
		}
		fmt.Fprintf(b, " %.3f |", s)
	}
	b.WriteString("\n")
}

// gridTitles name the findings in the tables.
var gridTitles = [...]string{
	"util_aware holds 20 to 30 % more VMs than reactive, and misses no more latency bounds",
	"exascale holds 20 to 30 % more VMs than reactive, and misses no more latency bounds",
	"mixed misses at least 60 % fewer queries than reactive, at no more than 1.1 times the cost of reactive",
	"paragon costs at least 10 % less than mixed, and misses the bounds of about as many strict queries",
	"mixed costs at least 1 % less than reactive where the peak to median is above 1.5, and saves less where it is not",
}

// Holding counts the settings in which a finding holds, of those in which there
// was something to measure.
type Holding struct{ Holds, Of int }

func (h Holding) String() string {
	if h.Of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(h.Holds)/float64(h.Of))
}

// add counts a finding, if there was something to measure.
func (h *Holding) add(f Finding) {
	if f.Void {
		return
	}
	h.Of++
	if f.Holds {
		h.Holds++
	}
}

// Holding counts a finding's settings that take part.
func (g Grid) Holding(finding int, takesPart func(Cell) bool) Holding {
	var h Holding
	for _, c := range g.Cells {
		if takesPart(c) {
			h.add(c.Findings[finding])
		}
	}
	return h
}

// Everywhere takes every setting.
func Everywhere(Cell) bool { return true }

// part is the settings that share one value.
type part struct {
	title string
	in    func(Cell) bool
}

func parts() []part {
	out := []part{{"all", Everywhere}}
	for _, p := range priceRatios {
		out = append(out, part{fmt.Sprintf("price ratio %g", p), func(c Cell) bool { return c.PriceRatio == p }})
	}
	for _, d := range delays {
		out = append(out, part{fmt.Sprintf("delay %.0f s", d.Seconds()), func(c Cell) bool { return c.Delay == d }})
	}
	for _, r := range reactives() {
		out = append(out, part{r.String(), func(c Cell) bool { return c.Reactive == r }})
	}
	for _, eager := range slotRules {
		out = append(out, part{"overflow " + slotRule(eager), func(c Cell) bool { return c.Eager == eager }})
	}
	return out
}

func slotRule(eager bool) string {
	if eager {
		return "when no runner is free"
	}
	return "at the bound"
}

func writeWhere(b *strings.Builder, grids []Grid) {
	b.WriteString("\n## Where the findings hold\n\nEach table is about one finding. A cell has the share of combinations in which the finding holds. The column *all* counts all combinations. Each other column counts the combinations with the condition in its head. A dash means that reactive missed no query, so the finding could not be measured.\n")
	for finding, title := range gridTitles {
		fmt.Fprintf(b, "\n**%s**\n\n", title)
		columns := []string{"trace"}
		for _, s := range parts() {
			columns = append(columns, s.title)
		}
		table(b, 1, columns...)
		for _, g := range grids {
			fmt.Fprintf(b, "| %s |", g.Trace)
			for _, s := range parts() {
				fmt.Fprintf(b, " %s |", g.Holding(finding, s.in))
			}
			b.WriteString("\n")
		}
	}
}
