package bills

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const intro = `# Whole bills, as deployed

Made by ` + "`make bills`" + `; edit nothing here. Every scheme and rival as a stage runs it: with the guard, the
settings that ship, the limit on concurrent functions and Lambda's rate of new environments,
and admission on each worker. The bill is workers, functions and machinery (gateway, queues,
store, reports) by the path of each query, without what a stage pays at rest; all pay the same
gateway. It is the mean over the seeds, with the least and the most of them. Compute is workers
and functions alone. A 429, a throttle and a late cold start count as missed; a scheme keeps the
bounds where it misses at most 0.5 % in each class. By definition is the bill of one seed when the
scheme gets what it wants at once, in brackets where it does not keep the bounds. Rivals are
played in their favour: their workers share one queue. How it is simulated is in
[simulator.md](simulator.md).
`

// scheme is the one that the conclusions are about.
const scheme = "hedged"

// Document writes the conclusions and the table of each window.
func Document(w io.Writer, ws []Window) error {
	var b strings.Builder
	b.WriteString(intro)
	for _, catalogue := range catalogues(ws) {
		of := slices.DeleteFunc(slices.Clone(ws), func(w Window) bool { return w.Catalogue != catalogue })
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", catalogue, conclusion(of))
		writeAgainst(&b, of)
		for _, w := range of {
			writeWindow(&b, w)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func catalogues(ws []Window) []string {
	var out []string
	for _, w := range ws {
		if !slices.Contains(out, w.Catalogue) {
			out = append(out, w.Catalogue)
		}
	}
	return out
}

// conclusion is what the windows of a catalogue say of the scheme.
func conclusion(ws []Window) string {
	if _, ok := ws[0].of(scheme); !ok {
		return fmt.Sprintf("%s was not played.", scheme)
	}
	keeps, lowest, possible := 0, 0, 0
	var ratios []float64
	worst, worstBy := "", ""
	for _, w := range ws {
		mine, _ := w.of(scheme)
		other, ok := w.lowest(scheme)
		if ok || mine.Keeps() {
			possible++
		}
		if !mine.Keeps() {
			continue
		}
		keeps++
		if !ok {
			continue
		}
		r := mine.Bill.Mean / other.Bill.Mean
		if r <= 1 {
			lowest++
		}
		if len(ratios) == 0 || r > slices.Max(ratios) {
			worst, worstBy = w.Trace, other.Scheme
		}
		ratios = append(ratios, r)
	}
	s := fmt.Sprintf("%s keeps the bounds in %d of the %d windows, and any does in %d.", scheme, keeps, len(ws), possible)
	if len(ratios) == 0 {
		return s + " There is no other bill to compare with."
	}
	g := geometric(ratios)
	return s + fmt.Sprintf(" Where another keeps them too its bill is %.3f of the lowest other one in the mean, the lowest in %d of %d; at worst %.3f (%s, against %s).",
		g.Mean, lowest, len(ratios), g.Most, worst, worstBy)
}

func writeAgainst(b *strings.Builder, ws []Window) {
	if _, ok := ws[0].of(scheme); !ok {
		return
	}
	fmt.Fprintf(b, "\n| %s against | windows in which both keep the bounds | bill, of the other's | least | most | compute, of the other's |\n|---|--:|--:|--:|--:|--:|\n", scheme)
	for _, a := range against(ws, scheme) {
		if a.Windows == 0 {
			fmt.Fprintf(b, "| %s | 0 | - | - | - | - |\n", a.Scheme)
			continue
		}
		fmt.Fprintf(b, "| %s | %d | %.3f | %.3f | %.3f | %.3f |\n", a.Scheme, a.Windows, a.Bill.Mean, a.Bill.Least, a.Bill.Most, a.Compute.Mean)
	}
}

var columns = []string{
	"scheme", "bill $", "least", "most", "of the lowest", "compute $", "direct $", "overflow $", "asynchronous $", "bill without gateway $",
	"strict missed %", "relaxed missed %", "429 %", "bill by definition $",
}

func writeWindow(b *strings.Builder, w Window) {
	s := w.Settings
	fmt.Fprintf(b, "\n### %s\n\n%d queries, seconds %.0f to %.0f, %s; %d seeds. A function's query costs %.2f times a worker's. %s.\n\n",
		w.Trace, w.Queries, s.FromSeconds, s.FromSeconds+s.ForSeconds, s.Scaling, w.Seeds, w.PriceRatio, cheapest(w))
	fmt.Fprintf(b, "| %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)-1))
	lowest, _ := w.lowest("")
	for _, o := range w.Outcomes {
		ratio := "-"
		if o.Keeps() {
			ratio = comparison.RatioText(comparison.Ratio(o.Bill.Mean, lowest.Bill.Mean))
		}
		defined := fmt.Sprintf("%.3f", o.DefinedUSD)
		if !o.DefinedKeeps {
			defined = "(" + defined + ")"
		}
		fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f | %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %s |\n",
			o.Scheme, o.Bill.Mean, o.Bill.Least, o.Bill.Most, ratio, o.ComputeUSD, o.Paths.Direct, o.Paths.Overflow, o.Paths.Asynchronous,
			o.WithoutGateway, 100*o.Strict, 100*o.Relaxed, 100*o.Rejected, defined)
	}
}

// cheapest says who has the lowest bill of those that keep the bounds.
func cheapest(w Window) string {
	o, ok := w.lowest("")
	if !ok {
		return "None keeps the bounds"
	}
	return fmt.Sprintf("The lowest bill of those that keep the bounds is %s's", o.Scheme)
}
