package burst

import (
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Page is what was measured, as a page: simulated, and on a stage where that was done.
type Page struct {
	Simulated []Row `json:"simulated"`
	Live      []Row `json:"live,omitempty"`
	// Rounds and About say how the stage was measured.
	Rounds int    `json:"rounds,omitempty"`
	About  string `json:"about,omitempty"`
}

const intro = `# Another model before overflow

` + "`make burst`" + ` generates this page. It shows the effect of the setting ` + "`downgrade`" + ` ([the rule](../selection.md#another-model-before-overflow)). The setting matters only for a query whose chosen model no worker can run
in time. With ` + "`downgrade`" + ` on, the cheapest other model that keeps the query's bounds and has a slot answers the query. If there is no such model, or if ` + "`downgrade`" + ` is off, the query overflows to a function. All
queries are strict, ask for the most accurate answer, and have an accuracy bound.

- **Late**: queries answered after their latency bound or not at all.
- **Overflow**: queries answered by functions.
- **Another model**: queries answered by a model other than the chosen one.
- **Mean accuracy**: the accuracy of the answering model by its profile, averaged over the answers.

## Simulated

The loads are generated [traces](traces.md) of one hour, simulated [as a stage](simulator.md#running-as-a-stage). Each row is the mean over %d seeds. The workers
were c5.large and had the twelve models of ` + "`cocktail2022`" + `. Queries had a latency bound of %d ms and an accuracy bound of %g %%. The cost is that of workers and functions for the hour. %s
`

const columns = "| load | scheme | downgrade | late | cost $ | overflow | another model | mean accuracy |\n|---|---|---|--:|--:|--:|--:|--:|\n"

// Markdown is the page.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, seeds, latencyMS, accuracy, comparison.OfRules())
	b.WriteString(columns)
	for _, r := range p.Simulated {
		b.WriteString(r.line())
	}
	if len(p.Live) > 0 {
		fmt.Fprintf(&b, "\n## On a stage\n\n%s\n\n%s", p.About, columns)
		for _, r := range p.Live {
			b.WriteString(r.line())
		}
	}
	return b.String()
}

func (r Row) line() string {
	return fmt.Sprintf("| %s | %s | %s | %.2f %% | $%.4g | %.1f %% | %.1f %% | %.2f %% |\n",
		r.Load, r.Scheme, r.Downgrade, 100*r.LateRatio, r.CostUSD, 100*r.Overflow, 100*r.Other, r.Accuracy)
}
