package peers

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
)

// loadFigure reads a figure of the measurement with that many connections.
func loadFigure(connections int, of func(Load) float64) figure {
	return func(r Round) float64 {
		for _, l := range r.Loads {
			if l.Connections == connections {
				return of(l)
			}
		}
		return math.NaN()
	}
}

// rateFigure reads a figure of the measurement at the common rate.
func rateFigure(of func(Load) float64) figure {
	return func(r Round) float64 {
		if r.AtRate == nil {
			return math.NaN()
		}
		return of(*r.AtRate)
	}
}

func perSecond(l Load) float64 { return l.PerSecond }
func p50(l Load) float64       { return l.P50MS }
func p99(l Load) float64       { return l.P99MS }
func cpu(l Load) float64       { return l.CPUMSAQuery }

// Markdown is the report as tables, a section a workload.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`paragon-lab bench-peers` generated these tables on %s, on %d cores with %s, in %d rounds with %g s per measurement. "+
		"Each cell has the median of the rounds, and in brackets the lowest and the highest value. "+
		"A column ÷ %[6]s or ÷ bare has a ratio: the measured value to its left, divided by the value of %[6]s or of the bare loop in the same round.\n",
		r.Date, r.Cores, r.Go, r.Rounds, r.Seconds, r.Reference)
	for i := range r.Workloads {
		w := &r.Workloads[i]
		fmt.Fprintf(&b, "\n## %s, %s\n", w.Model, w.Kind)
		r.throughput(&b, w)
		r.costs(&b, w)
		r.oneCaller(&b, w)
		r.faults(&b, w)
	}
	return b.String()
}

// throughput is the table of queries a second.
func (r *Report) throughput(b *strings.Builder, w *WorkloadReport) {
	header := []string{"server"}
	for _, n := range r.Connections {
		header = append(header, fmt.Sprintf("queries/s, connections: %d", n), "÷ "+r.Reference, "÷ bare")
	}
	r.table(b, w, "Throughput by number of connections", header, func(s *ServerReport) (cells []string) {
		for _, n := range r.Connections {
			of := loadFigure(n, perSecond)
			cells = append(cells, cell("%.0f")(s.values(of)),
				cell("%.2f")(s.against(w.Server(r.Reference), of, ratio)), cell("%.2f")(s.against(w.Server("bare"), of, ratio)))
		}
		return cells
	})
}

// costs is the table of latency at the common rate, CPU and memory.
func (r *Report) costs(b *strings.Builder, w *WorkloadReport) {
	n := r.Connections[len(r.Connections)/2]
	title := "CPU time and memory"
	header := []string{"server"}
	if w.RatePerSecond > 0 {
		title = fmt.Sprintf("Latency at %.0f queries/s, CPU time and memory", w.RatePerSecond)
		header = append(header, "p50 ms", "p99 ms", "p99 ÷ "+r.Reference)
	}
	header = append(header, fmt.Sprintf("CPU ms per query, connections: %d", n), "÷ "+r.Reference, "÷ bare", "memory MB")
	r.table(b, w, title, header, func(s *ServerReport) (cells []string) {
		if w.RatePerSecond > 0 {
			cells = append(cells, cell("%.2f")(s.values(rateFigure(p50))), cell("%.2f")(s.values(rateFigure(p99))),
				cell("%.2f")(s.against(w.Server(r.Reference), rateFigure(p99), ratio)))
		}
		of := loadFigure(n, cpu)
		return append(cells, cell("%.3f")(s.values(of)), cell("%.2f")(s.against(w.Server(r.Reference), of, ratio)),
			cell("%.2f")(s.against(w.Server("bare"), of, ratio)), cell("%.0f")(s.values(func(m Round) float64 { return m.MemoryMB })))
	})
}

// oneCaller is the table of the latency that a server adds, where one caller
// was measured.
func (r *Report) oneCaller(b *strings.Builder, w *WorkloadReport) {
	if r.Connections[0] != 1 {
		return
	}
	header := []string{"server", "p50 ms", "p99 ms", "p50 minus bare, ms", "p99 minus bare, ms"}
	r.table(b, w, "Latency with one caller, and the difference from the bare loop", header, func(s *ServerReport) (cells []string) {
		half, most := loadFigure(1, p50), loadFigure(1, p99)
		return []string{cell("%.2f")(s.values(half)), cell("%.2f")(s.values(most)),
			cell("%.2f")(s.against(w.Server("bare"), half, difference)), cell("%.2f")(s.against(w.Server("bare"), most, difference))}
	})
}

// faults names the servers that could not be measured.
func (r *Report) faults(b *strings.Builder, w *WorkloadReport) {
	for _, s := range w.Servers {
		if s.Error != "" {
			fmt.Fprintf(b, "\n%s was measured in %d of %d rounds: %s\n", s.Name, len(s.Rounds), r.Rounds, oneLine(s.Error))
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// table prints a row for each server that has a round.
func (r *Report) table(b *strings.Builder, w *WorkloadReport, title string, header []string, row func(*ServerReport) []string) {
	fmt.Fprintf(b, "\n%s\n\n| %s |\n|%s\n", title, strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for i := range w.Servers {
		if s := &w.Servers[i]; len(s.Rounds) > 0 {
			fmt.Fprintf(b, "| %s | %s |\n", s.Name, strings.Join(row(s), " | "))
		}
	}
}

// cell prints a spread, or nothing where there is none.
func cell(format string) func(Spread, bool) string {
	return func(s Spread, ok bool) string {
		switch {
		case !ok:
			return ""
		case s.Min == s.Max:
			return fmt.Sprintf(format, s.Median)
		}
		return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
	}
}

// pageMark divides a page: what is above it is written by hand, what is below
// it is made.
const pageMark = "<!-- made by paragon-lab bench-peers, below this line -->\n"

// WritePage puts the tables into a page, in place of those that were below its
// mark. A page without the mark, or one that is not there, gets it at its end.
func (r *Report) WritePage(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the page: %w", err)
	}
	above, _, _ := strings.Cut(string(raw), pageMark)
	if err := os.WriteFile(file, []byte(above+pageMark+"\n"+r.Markdown()), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
