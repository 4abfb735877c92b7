package evaluate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// writeWhy writes of each finding what is against it where it does not hold, and
// which value of what was varied it depends on most, as counted in these runs.
func writeWhy(b *strings.Builder, grids []Grid) {
	b.WriteString("\n## Why the findings fail\n\nThe list at the top of this page defines each reason.\n")
	for finding, title := range gridTitles {
		fmt.Fprintf(b, "\n**%s.** %s\n", title, why(grids, finding))
	}
}

// why is in words in how many settings a finding holds, and what the cells have
// against it in the others.
func why(grids []Grid, finding int) string {
	all := holding(grids, finding, Everywhere)
	if all.Of == 0 {
		return "There was nothing to measure."
	}
	s := fmt.Sprintf("The finding holds in %d of %d combinations", all.Holds, all.Of)
	if against := reasons(grids, finding); against != "" {
		s += ". It fails in the others for these reasons (with the number of combinations): " + against
	}
	s += "."
	if all.Holds == 0 || all.Holds == all.Of {
		return s
	}
	most, least := extremes(grids, finding)
	return s + fmt.Sprintf(" It holds most often with the condition *%s* (%s), and least often with *%s* (%s).",
		most.title, holding(grids, finding, most.in), least.title, holding(grids, finding, least.in))
}

// holding counts over all traces.
func holding(grids []Grid, finding int, takesPart func(Cell) bool) Holding {
	var h Holding
	for _, g := range grids {
		of := g.Holding(finding, takesPart)
		h.Holds, h.Of = h.Holds+of.Holds, h.Of+of.Of
	}
	return h
}

// reasons counts what the cells say against a finding, the most frequent first. A
// cost that they name is one reason.
func reasons(grids []Grid, finding int) string {
	counts := map[string]int{}
	for _, g := range grids {
		for _, c := range g.Cells {
			f := c.Findings[finding]
			if f.Void || f.Holds {
				continue
			}
			what := f.Why
			if strings.HasPrefix(what, "costs") {
				what = "costs more"
			}
			counts[what]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		if counts[x] != counts[y] {
			return counts[y] - counts[x]
		}
		return strings.Compare(x, y)
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s (%d)", n, counts[n])
	}
	return strings.Join(names, ", ")
}

// extremes are the values with which a finding holds in the largest and in the
// smallest share of the settings.
func extremes(grids []Grid, finding int) (most, least part) {
	share := func(p part) float64 {
		h := holding(grids, finding, p.in)
		return float64(h.Holds) / float64(max(1, h.Of))
	}
	measured := slices.DeleteFunc(parts()[1:], func(p part) bool { return holding(grids, finding, p.in).Of == 0 })
	most, least = measured[0], measured[0]
	for _, p := range measured {
		if share(p) > share(most) {
			most = p
		}
		if share(p) < share(least) {
			least = p
		}
	}
	return most, least
}
