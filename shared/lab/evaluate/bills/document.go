package bills

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// ofTraces and ofAdversaries begin the page, and terms follows.
const (
	ofTraces = `# Whole bills, as deployed

` + "`make bills`" + ` generates this page. The [simulator](simulator.md) plays every [scheme](../schemes.md) and every [rival](simulator.md#rivals) on *windows* of each trace: parts of
at most an hour. The name of a trace ends with the factor by which its arrivals are multiplied. It plays them [as a deployed stage](simulator.md#running-as-a-stage) with the shipped settings. The workers of a rival share one queue, which favors the rival; those of ` + "`quantile`" + `, which runs on Paragon, do not.
`
	ofAdversaries = `# Artificial loads that are hard to follow

` + "`make adversaries`" + ` generates this page. The [simulator](simulator.md) plays every [scheme](../schemes.md) and every [rival](simulator.md#rivals) on artificial loads: a warm-up of
20 minutes, and then the *window* of 40 minutes, which counts. A worker takes about 100 s to start. When one of these loads rises, workers alone often miss the bounds:

- square waves: 20 queries/s and 80 queries/s, each for half of the period
- spikes: 30 queries/s, and ten times as many in the last 30 s of every ten minutes
- flash crowd: 10 queries/s, and suddenly 20 times as many, which decay within about 15 minutes
- off and on: none, and 60 queries/s, each for 15 minutes
- steps: from 5 to 100 queries/s, or back, in one second
- ramps: from 5 to 100 queries/s, or back, within 20 minutes
- Pareto bursts: 30 queries/s and, once a minute on average, a burst that fades within about 30 s; its height is half of this rate times a Pareto-distributed number, and at most 20 times this rate
- constant loads of at most 5 queries/s, for which one worker is enough

The simulator plays them [as a deployed stage](simulator.md#running-as-a-stage) with the shipped settings. The workers of a rival share one queue, which favors the rival; those of ` + "`quantile`" + `, which runs on Paragon, do not.
`
	terms = `
- **Catalogue** (` + "`paper2020`" + ` or ` + "`cocktail2022`" + `): the [models and prices](simulator.md#catalogues) that the simulator uses for the window.
- **Bill**: the cost of workers, functions and *machinery* (gateway, queues, store and reports), without the cost of an idle stage. The bill of a window is the mean over the random seeds.
  *Least* and *most* are the smallest and the largest bill among the seeds.
- **Compute**: the cost of workers and functions alone.
- **Bill without gateway**: the bill if callers reached the load balancer, or a function, without API Gateway.
- **Machinery**, for three groups of queries: *direct* queries, which workers answered in the same HTTP request; *overflow*, which functions answered in the same HTTP request; and *asynchronous* queries, which got a 202.
- **Missed**: late or unanswered queries, including those that got a 429 or were throttled. A scheme *keeps the bounds* if it misses at most 0.5 % of the queries of each class.
- **Bill by definition**: the bill of the first seed, simulated [by definition](simulator.md#running-as-a-stage): the simulator at once starts as many workers as the scheme wants. The bill
  is in brackets if the scheme does not keep the bounds in this mode.

The first table of each catalogue compares ` + "`hedged`" + ` with each other scheme and rival. Its means are geometric means over windows. Its columns *least* and *most* have
the smallest and the largest ratio of the two bills in these windows.
`
)

// scheme is the one that the conclusions are about.
const scheme = "hedged"

// Document writes the conclusions and the table of each window of recorded traces, or of
// artificial loads.
func Document(w io.Writer, ws []Window, artificial bool) error {
	var b strings.Builder
	if artificial {
		b.WriteString(ofAdversaries + terms)
	} else {
		b.WriteString(ofTraces + terms)
	}
	b.WriteString("\n" + comparison.OfRules())
	for _, catalogue := range catalogues(ws) {
		of := slices.DeleteFunc(slices.Clone(ws), func(w Window) bool { return w.Catalogue != catalogue })
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", catalogue, conclusion(of))
		writeAgainst(&b, of)
		writeTraces(&b, of)
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
	s := fmt.Sprintf("%s keeps the bounds in %d of the %d windows. The number of windows in which at least one scheme keeps the bounds is %d.", scheme, keeps, len(ws), possible)
	if len(ratios) == 0 {
		return s + " There is no other bill to compare with."
	}
	g := geometric(ratios)
	return s + fmt.Sprintf(" In the windows in which %[7]s and another scheme keep the bounds, the bill of %[7]s is on average %.3[1]f times the lowest bill of the others. The bill of %[7]s is the lowest of all in %[2]d of these %[3]d windows. In the worst window (%[5]s), it is %.3[4]f times the bill of %[6]s.",
		g.Mean, lowest, len(ratios), g.Most, worst, worstBy, scheme)
}

func writeAgainst(b *strings.Builder, ws []Window) {
	if _, ok := ws[0].of(scheme); !ok {
		return
	}
	fmt.Fprintf(b, "\n| scheme or rival | windows in which %[1]s and this scheme keep the bounds | bill of %[1]s ÷ bill of this scheme (mean) | least | most | compute of %[1]s ÷ compute of this scheme (mean) |\n|---|--:|--:|--:|--:|--:|\n", scheme)
	for _, a := range against(ws, scheme) {
		if a.Windows == 0 {
			fmt.Fprintf(b, "| %s | 0 | - | - | - | - |\n", a.Scheme)
			continue
		}
		fmt.Fprintf(b, "| %s | %d | %.3f | %.3f | %.3f | %.3f |\n", a.Scheme, a.Windows, a.Bill.Mean, a.Bill.Least, a.Bill.Most, a.Compute.Mean)
	}
}

// writeTraces writes what the windows of each trace come to together, where a trace has more
// than one.
func writeTraces(b *strings.Builder, ws []Window) {
	var traces []string
	windows := map[string][]Window{}
	for _, w := range ws {
		name, _, hour := strings.Cut(w.Trace, ", hour ")
		if !hour {
			return
		}
		if len(windows[name]) == 0 {
			traces = append(traces, name)
		}
		windows[name] = append(windows[name], w)
	}
	fmt.Fprintf(b, "\n| trace | windows | sum of the bills of %[1]s $ (in brackets if it breaks the bounds in a window) | lowest sum of another scheme that keeps the bounds in all windows $ | this scheme | ratio |\n|---|--:|--:|--:|---|--:|\n", scheme)
	for _, name := range traces {
		usdMine, keeps, _ := together(windows[name], scheme)
		mine := fmt.Sprintf("%.3f", usdMine)
		if !keeps {
			mine = "(" + mine + ")"
		}
		other, usd := lowestTogether(windows[name])
		if other == "" {
			fmt.Fprintf(b, "| %s | %d | %s | - | - | - |\n", name, len(windows[name]), mine)
			continue
		}
		fmt.Fprintf(b, "| %s | %d | %s | %.3f | %s | %.3f |\n", name, len(windows[name]), mine, usd, other, usdMine/usd)
	}
}

// together is the sum of a scheme's bills over windows, and whether it keeps the bounds in
// all of them; false where it was not played.
func together(ws []Window, scheme string) (usd float64, keeps, played bool) {
	keeps = true
	for _, w := range ws {
		o, ok := w.of(scheme)
		if !ok {
			return 0, false, false
		}
		usd, keeps = usd+o.Bill.Mean, keeps && o.Keeps()
	}
	return usd, keeps, true
}

// lowestTogether is the scheme other than scheme that keeps the bounds in all windows for the
// least; empty where none does.
func lowestTogether(ws []Window) (name string, usd float64) {
	for _, o := range ws[0].Outcomes {
		if sum, keeps, _ := together(ws, o.Scheme); keeps && o.Scheme != scheme && (name == "" || sum < usd) {
			name, usd = o.Scheme, sum
		}
	}
	return name, usd
}

var columns = []string{
	"scheme", "bill $", "least", "most", "bill ÷ lowest bill", "compute $", "machinery, direct $", "machinery, overflow $", "machinery, asynchronous $", "bill without gateway $",
	"strict queries missed %", "relaxed queries missed %", "429 answers, % of queries", "bill by definition $",
}

func writeWindow(b *strings.Builder, w Window) {
	s := w.Settings
	fmt.Fprintf(b, "\n### %s\n\n%d queries, from second %.0f to second %.0f of the trace, with %d seeds. %s.\n\n",
		w.Trace, w.Queries, s.FromSeconds, s.FromSeconds+s.ForSeconds, w.Seeds, cheapest(w))
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
		return "No scheme keeps the bounds"
	}
	return fmt.Sprintf("Of the schemes that keep the bounds, %s has the lowest bill", o.Scheme)
}
