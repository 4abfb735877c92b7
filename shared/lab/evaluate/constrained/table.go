package constrained

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/paragon-serving/paragon/shared/lab/mixes"
)

// line is a mix under a scheme: the rows of the choices, by name.
type line struct {
	mix, scheme string
	by          map[string]Row
}

// table is a trace in a market.
type table struct {
	first                    Row
	leastRatio, highestRatio float64 // of a function's price to a worker's
	lines                    []*line
}

// tables brings rows, which may be of several traces, into tables.
func tables(rows []Row) []*table {
	var out []*table
	lines := map[string]*line{}
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].first.Trace != r.Trace || out[n-1].first.Catalogue != r.Catalogue {
			out = append(out, &table{first: r, leastRatio: r.PriceRatio})
		}
		t := out[len(out)-1]
		t.leastRatio, t.highestRatio = min(t.leastRatio, r.PriceRatio), max(t.highestRatio, r.PriceRatio)
		key := strings.Join([]string{r.Trace, r.Catalogue, r.Mix, r.Scheme}, "\x1f")
		if lines[key] == nil {
			lines[key] = &line{mix: r.Mix, scheme: r.Scheme, by: map[string]Row{}}
			t.lines = append(t.lines, lines[key])
		}
		lines[key].by[r.Choice] = r
	}
	return out
}

var columns = []string{"constraints", "scheme", "selection $", "naive_feasible $", "naive_any $", "of naive_feasible", "of naive_any", "late %", "inaccurate %"}

// cells are a line's columns; where three shares stand they are selection's,
// naive_feasible's and naive_any's.
func (l *line) cells() []string {
	s, f, a := l.by[mixes.Selection], l.by[mixes.NaiveFeasible], l.by[mixes.NaiveAny]
	return []string{
		l.mix, l.scheme, fmt.Sprintf("%.3f", s.CostUSD), fmt.Sprintf("%.3f", f.CostUSD), fmt.Sprintf("%.3f", a.CostUSD),
		fmt.Sprintf("%.2f", s.OfNaiveFeasible), fmt.Sprintf("%.2f", s.OfNaiveAny),
		fmt.Sprintf("%.2f / %.2f / %.2f", 100*s.SLOViolation, 100*f.SLOViolation, 100*a.SLOViolation),
		fmt.Sprintf("%.0f / %.0f / %.0f", 100*s.AccuracyViolation, 100*f.AccuracyViolation, 100*a.AccuracyViolation),
	}
}

func (t *table) about() string {
	s := t.first.Settings
	return fmt.Sprintf("%d queries, seconds %.0f to %.0f, %s, on %s; a function's query costs %.2f to %.2f times a worker's; seed %d.",
		t.first.Queries, s.FromSeconds, s.FromSeconds+s.ForSeconds, s.Scaling, s.InstanceType, t.leastRatio, t.highestRatio, t.first.Seed)
}

func (t *table) title() string { return t.first.Trace + ", " + t.first.Catalogue }

const intro = `# Workload 2 under procurement

Made by ` + "`make workload2`" + `; edit nothing here. Queries of varied constraints, answered by the
model that selection picks or a naive choice does: naive_feasible draws from the models that
keep the bounds, naive_any from all of them. Workers and functions are bought for them by a
scheme, so that a choice costs what its service times make a fleet cost. Latency bounds come on
top of the way there and are strict; a query without one is relaxed, with 10 s. Costs are of
workers and functions. Three shares in a cell are those of selection, naive_feasible and
naive_any: late are the queries answered after their bound or not at all, inaccurate those whose
model is less accurate than they asked for. The mixes, and what they cost when each query is
priced by itself, are in [selection.md](../selection.md#compared-with-naive-selection), what is simulated
in [simulator.md](simulator.md).
`

// Document writes the page of these tables.
func Document(w io.Writer, rows []Row) error {
	if _, err := io.WriteString(w, intro); err != nil {
		return err
	}
	return writeMarkdown(w, rows)
}

// writeMarkdown writes a table for each trace and catalogue.
func writeMarkdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	for _, t := range tables(rows) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| %s |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n", t.title(), t.about(), strings.Join(columns, " | "))
		for _, l := range t.lines {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(l.cells(), " | "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Text writes the same for a terminal.
func Text(w io.Writer, rows []Row) error {
	for _, t := range tables(rows) {
		if _, err := fmt.Fprintf(w, "%s\n%s\n", t.title(), t.about()); err != nil {
			return err
		}
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, strings.ToUpper(strings.Join(columns, "\t")))
		for _, l := range t.lines {
			fmt.Fprintln(tw, strings.Join(l.cells(), "\t"))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}
