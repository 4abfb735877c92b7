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

Made by ` + "`make burst`" + `; edit nothing here. Strict queries that ask for the most accurate answer of
at least some accuracy, with the setting ` + "`downgrade`" + ` off and on. When it is on, a query for whose
model no worker has a slot in time is answered by the cheapest model that keeps its bounds and has
one ([the rule](../selection.md#another-model-before-overflow)); else, and without such a model, it
overflows to a function. Late are queries answered after their bound or not at all; accuracy is the
mean of the profiles of the models that queries were given to.

## Simulated

An hour of each load as a stage runs it, %d seeds, the twelve models of ` + "`cocktail2022`" + ` on c5.large.
Queries ask for %d ms and at least %g %%. Costs are of workers and functions.

`

const columns = "| load | scheme | downgrade | late | cost | overflow | another model | mean accuracy |\n|---|---|---|--:|--:|--:|--:|--:|\n"

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
