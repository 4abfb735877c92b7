package constrained

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/paragon-serving/paragon/shared/lab/mixes"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
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

var columns = []string{"bounds", "scheme", "selection $", "naive_feasible $", "naive_any $", "selection ÷ naive_feasible", "selection ÷ naive_any", "late queries %", "inaccurate queries %"}

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
	return fmt.Sprintf("%d queries, from second %.0f to second %.0f of the trace, on %s. On a function, a query costs %.2f to %.2f times as much as on a busy worker. The seed is %d.",
		t.first.Queries, s.FromSeconds, s.FromSeconds+s.ForSeconds, s.InstanceType, t.leastRatio, t.highestRatio, t.first.Seed)
}

func (t *table) title() string { return t.first.Trace + ", " + t.first.Catalogue }

const intro = `# Workload 2 under procurement

` + "`make workload2`" + ` generates this page. Workload 2 consists of queries with different bounds on latency and accuracy. The page compares three rules that choose the model of each query:

- ` + "`selection`" + ` is [Paragon's rule](../selection.md).
- ` + "`naive_feasible`" + ` draws a model at random from the models that keep the bounds.
- ` + "`naive_any`" + ` draws a model at random from all models.

The simulator runs in its mode [*by definition*](simulator.md#running-as-a-stage). A [scheme](../schemes.md) sets the number of workers and decides which queries overflow. The number of workers depends on the models that a rule chooses, and so does the cost of the rule. The page about
[selection](../selection.md#compared-with-naive-selection) describes the mixes of bounds, and has the costs without a scheme.

- Each heading names the trace, the factor by which its arrivals are multiplied, and the [catalogue](simulator.md#catalogues).
- A query with a latency bound is strict, and the time of the network path is added to its bound. A query without a latency bound is relaxed, with a bound of 10 s.
- Costs are those of workers and functions. A column with ÷ has the cost with one rule divided by the cost with another.
- A cell with three shares has the shares with selection, naive_feasible and naive_any, in this order. A *late* query was answered after its bound, or not at all. An *inaccurate*
  query was answered by a model whose accuracy is below the bound of the query.
`

// Document writes the page of these tables.
func Document(w io.Writer, rows []Row) error {
	if _, err := io.WriteString(w, intro+"\n"+comparison.OfRules()); err != nil {
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
