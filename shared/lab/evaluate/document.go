// Package evaluate makes the evaluation's documents from rows of a comparison:
// tables, the paper's figures 4, 5, 6 and 8, and the table of what the paper's
// findings depend on. The commands, the documents and the tests make theirs from
// the same rows.
package evaluate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// mostMissed is the share of missed bounds, in each class, that a scheme may
// have to count as one that keeps them.
const mostMissed = 0.005

// Document writes the tables with what they say of hedged.
func Document(w io.Writer, rows []comparison.Ran) error {
	if _, err := io.WriteString(w, documentIntro+"\n"+comparison.OfRules()+"\n## Every scheme on every trace\n"); err != nil {
		return err
	}
	if err := writeMarkdown(w, rows); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n## hedged compared with the other schemes\n\n"); err != nil {
		return err
	}
	if err := writeKeeping(w, rows); err != nil {
		return err
	}
	return writeFindings(w, rows)
}

const documentIntro = `# Evaluation

` + "`make evaluation`" + ` generates this page. The [simulator](simulator.md) plays recorded traces with each of the [schemes](../schemes.md), and the page compares their costs in US dollars. The simulator
starts as many workers as the scheme wants (the mode [by definition](simulator.md#running-as-a-stage)).

- **Catalogue** (` + "`paper2020`" + ` or ` + "`cocktail2022`" + `): the [models and prices](simulator.md#catalogues) that the simulator uses for the trace.
- **Load**: half of the queries are strict with a latency bound of 1 s, and half are relaxed with a bound of 10 s.
- **Workers**: one shared pool of c5.large. A worker boots for 100 s, and the boot is billed. Each worker is billed for at least 60 s.
- **Functions** have cold starts, and keep an idle environment for 600 s.
- **Controller**: it decides every 10 s, on metrics that are 60 s old.
- **Missed** queries were answered after their bound or not at all.
- **Costs** are those of workers and functions, without the *machinery*: the gateway, the queues and the store. Except for overflowed queries, the machinery costs the same under every scheme. The line
  above each table states its cost.
- The **clairvoyant** is the cheapest schedule that the simulator found with knowledge of all arrivals. Its relaxed queries may wait within their bounds. The clairvoyant **without deferral** runs every
  query as soon as it arrives.
- The **lower bound** assumes machines that start at once and for free, and a price for each runner instead of each machine. No scheme that answers all queries can cost less.
`

// keepers are the schemes that keep the bounds in each class on every trace of
// a catalogue.
func keepers(rows []comparison.Ran, catalogue string) []string {
	broken := map[string]bool{}
	var out []string
	for _, r := range rows {
		if r.Row.Catalogue != catalogue {
			continue
		}
		if !slices.Contains(out, r.Row.Scheme) {
			out = append(out, r.Row.Scheme)
		}
		if r.Row.StrictViolation > mostMissed || r.Row.RelaxedViolation > mostMissed {
			broken[r.Row.Scheme] = true
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return broken[s] })
}

func writeKeeping(w io.Writer, rows []comparison.Ran) error {
	var b strings.Builder
	for _, catalogue := range simulate.MarketNames() {
		kept := keepers(rows, catalogue)
		if len(kept) == 0 {
			continue
		}
		fmt.Fprintf(&b, "### %s\n\nThese schemes missed at most 0.5 %% of the queries of each class on every trace: %s.\n\n", catalogue, strings.Join(kept, ", "))
		b.WriteString("| scheme | cost of all traces $ | ")
		totals(&b, rows, catalogue, kept)

		worst(&b, rows, catalogue, kept)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// totals writes what each of the schemes costs on all traces together.
func totals(b *strings.Builder, rows []comparison.Ran, catalogue string, kept []string) {
	var traces []string
	sum := map[string]float64{}
	ratios := map[string]map[string]float64{}
	for _, r := range rows {
		if r.Row.Catalogue != catalogue {
			continue
		}
		if !slices.Contains(traces, r.Row.Trace) {
			traces = append(traces, r.Row.Trace)
		}
		if ratios[r.Row.Scheme] == nil {
			ratios[r.Row.Scheme] = map[string]float64{}
		}
		sum[r.Row.Scheme] += r.Row.CostUSD
		ratios[r.Row.Scheme][r.Row.Trace] = r.Row.RatioToClairvoyant
	}
	for _, t := range traces {
		fmt.Fprintf(b, "%s, cost ÷ clairvoyant | ", t)
	}
	fmt.Fprintf(b, "\n|---|--:|%s\n", strings.Repeat("--:|", len(traces)))
	for _, s := range kept {
		fmt.Fprintf(b, "| %s | %.3f |", s, sum[s])
		for _, t := range traces {
			fmt.Fprintf(b, " %s |", comparison.RatioText(ratios[s][t]))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// lost is an hour in which hedged cost more than another scheme that keeps the bounds.
type lost struct {
	trace string
	hour  int
	ratio float64
	by    string
	why   string
}

// worst lists the hours in which hedged was not the cheapest of the keepers.
func worst(b *strings.Builder, rows []comparison.Ran, catalogue string, kept []string) {
	all, hours := losses(rows, catalogue, kept)
	over := 0
	for _, l := range all {
		if l.ratio > 1.1 {
			over++
		}
	}
	fmt.Fprintf(b, "In %[2]d of %[1]d hours, hedged costs more than the cheapest other scheme of the table, and in %[3]d of them more than 1.10 times as much.\n\n", hours, len(all), over)
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y lost) int { return int(1e9 * (y.ratio - x.ratio)) })
	b.WriteString("| trace | hour of the trace | cost of hedged ÷ cost of the cheapest other | cheapest other | part of the bill in which hedged costs more |\n|---|--:|--:|---|---|\n")
	for _, l := range all[:min(len(all), 40)] {
		fmt.Fprintf(b, "| %s | %d | %.3f | %s | %s |\n", l.trace, l.hour, l.ratio, l.by, l.why)
	}
	b.WriteString("\n")
}

func losses(rows []comparison.Ran, catalogue string, kept []string) (out []lost, hours int) {
	for _, r := range rows {
		if r.Row.Scheme != "hedged" || r.Row.Catalogue != catalogue {
			continue
		}
		for h := range r.Result.Hours {
			mine := hourUSD(r, h)
			best, by, other := 0.0, "", comparison.Ran{}
			for _, o := range rows {
				if o.Row.Trace == r.Row.Trace && o.Row.Catalogue == catalogue && o.Row.Scheme != "hedged" && slices.Contains(kept, o.Row.Scheme) {
					if usd := hourUSD(o, h); by == "" || usd < best {
						best, by, other = usd, o.Row.Scheme, o
					}
				}
			}
			if by == "" || r.Row.Settings.ForSeconds < float64(h+1)*time.Hour.Seconds() {
				continue // nobody to compare with, or not a whole hour
			}
			hours++
			if mine > best {
				out = append(out, lost{r.Row.Trace, h, comparison.Ratio(mine, best), by, reason(r, other, h)})
			}
		}
	}
	return out, hours
}

func hourUSD(r comparison.Ran, h int) float64 {
	if h >= len(r.Result.Hours) {
		return 0
	}
	return r.Result.Hours[h].Bill.Workers + r.Result.Hours[h].Bill.Functions
}

// reason reports which part of the bill was the larger one.
func reason(mine, other comparison.Ran, h int) string {
	a, b := mine.Result.Hours[h].Bill, other.Result.Hours[h].Bill
	if a.Functions-b.Functions > a.Workers-b.Workers {
		return fmt.Sprintf("overflow: $%.3f with hedged, $%.3f with the other", a.Functions, b.Functions)
	}
	return fmt.Sprintf("workers: $%.3f with hedged, $%.3f with the other", a.Workers, b.Workers)
}
