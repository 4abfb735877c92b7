package evaluate

import (
	"fmt"
	"slices"
	"strings"
)

func writeUsed(b *strings.Builder, grids []Grid) {
	b.WriteString("\nThe next table has, for each scheme, the share of the paid runner time that is used, and the share of queries that miss their bound. The metric delay is 60 s, and queries overflow at the bound.\n\n")
	columns := []string{"trace", "reactive rule"}
	for _, s := range gridSchemes {
		columns = append(columns, s+": runner time used", s+": queries missed")
	}
	table(b, 2, columns...)
	for _, g := range grids {
		for i, u := range g.Used {
			if i%len(gridSchemes) == 0 {
				fmt.Fprintf(b, "| %s | %s |", g.Trace, u.Reactive)
			}
			fmt.Fprintf(b, " %.0f %% | %.2f %% |", 100*u.Share, 100*u.Missed)
			if (i+1)%len(gridSchemes) == 0 {
				b.WriteString("\n")
			}
		}
	}
}

func writeHeadrooms(b *strings.Builder, grids []Grid) {
	b.WriteString("\nThe next table has the percentage by which exascale holds more VMs than reactive, for several values of exascale's setting `headroom`. The metric delay is 60 s.\n\n")
	columns := []string{"trace", "reactive rule"}
	for _, h := range headrooms {
		columns = append(columns, fmt.Sprintf("headroom %.1f", h))
	}
	table(b, 2, columns...)
	for _, g := range grids {
		for i, h := range g.Headrooms {
			if i%len(headrooms) == 0 {
				fmt.Fprintf(b, "| %s | %s |", g.Trace, h.Reactive)
			}
			fmt.Fprintf(b, " %s |", verdict(h.Finding))
			if (i+1)%len(headrooms) == 0 {
				b.WriteString("\n")
			}
		}
	}
}

// writeCells writes a finding in every setting. What the schemes in it do not
// depend on is left out.
func writeCells(b *strings.Builder, grids []Grid, finding int) {
	fmt.Fprintf(b, "\n### %s\n\n", gridTitles[finding])
	prices, slots := priceRatios, slotRules
	if finding == MoreVMsUtilAware || finding == MoreVMsExascale {
		prices, slots = prices[:1], slots[:1]
		b.WriteString("Under reactive, util_aware and exascale, no query overflows. The price ratio and the overflow rule therefore change nothing in this table.\n\n")
	}
	columns := []string{"trace", "reactive rule", "overflow rule"}
	for _, d := range delays {
		for _, p := range prices {
			name := fmt.Sprintf("delay %.0f s", d.Seconds())
			if len(prices) > 1 {
				name += fmt.Sprintf(", price ratio %g", p)
			}
			columns = append(columns, name)
		}
	}
	table(b, 3, columns...)
	for _, g := range grids {
		for _, r := range reactives() {
			for _, eager := range slots {
				g.writeLine(b, finding, prices, r, eager, len(slots) > 1)
			}
		}
	}
}

func (g Grid) writeLine(b *strings.Builder, finding int, prices []float64, r Reactive, eager, showRule bool) {
	rule := "-"
	if showRule {
		rule = slotRule(eager)
	}
	fmt.Fprintf(b, "| %s | %s | %s |", g.Trace, r, rule)
	for _, d := range delays {
		for _, p := range prices {
			i := slices.IndexFunc(g.Cells, func(c Cell) bool { return c.Rules == Rules{d, r, eager} && c.PriceRatio == p })
			fmt.Fprintf(b, " %s |", verdict(g.Cells[i].Findings[finding]))
		}
	}
	b.WriteString("\n")
}
