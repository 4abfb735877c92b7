package evaluate

import (
	"fmt"
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
