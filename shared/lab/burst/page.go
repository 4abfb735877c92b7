package burst

import (
	"fmt"
	"strings"
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

` + "`make burst`" + ` generates this page. It shows the effect of the setting ` + "`downgrade`" + ` ([the rule](../selection.md#another-model-before-overflow)). All queries are strict. Each query
asks for the most accurate answer and has an accuracy bound.

The setting matters if no worker has a slot in time for the chosen model. With ` + "`downgrade`" + ` on, Paragon looks for other models that keep the bounds and have a slot. The cheapest of
these models answers the query. If there is no such model, or if ` + "`downgrade`" + ` is off, the query overflows to a function.

- **Late**: queries answered after their latency bound or not at all.
- **Overflow**: queries answered by functions.
- **Another model**: queries answered by a model other than the chosen one.
- **Mean accuracy**: each answer has the accuracy that the profile of its model states. The column has the mean over the answers.

## Simulated

The simulator played one hour of each load [as a stage](simulator.md#running-as-a-stage). The loads are generated [traces](traces.md). Each row is the mean over %d seeds. The workers
were c5.large and had the twelve models of ` + "`cocktail2022`" + `. Queries had a latency bound of %d ms and an accuracy bound of %g %%. The cost is that of workers and functions for the hour.

`

const columns = "| load | scheme | downgrade | late | cost $ | overflow | another model | mean accuracy |\n|---|---|---|--:|--:|--:|--:|--:|\n"

// Markdown is the page.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, seeds, latencyMS, accuracy)
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
