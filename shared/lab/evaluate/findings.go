package evaluate

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// writeFindings writes which of the paper's findings hold on each trace.
func writeFindings(w io.Writer, rows []comparison.Ran) error {
	var b strings.Builder
	b.WriteString(`
## The paper's findings on these traces

For each trace, the table says whether four statements of the Paragon paper hold:

- util_aware has 20 to 30 % more VMs than reactive, and does not miss more queries than reactive.
- exascale has 20 to 30 % more VMs than reactive, and does not miss more queries than reactive.
- mixed misses at least 60 % fewer queries than reactive, at about the same cost. The column *cost of mixed ÷ reactive* compares the two costs.
- paragon is at least 10 % cheaper than mixed, with about as many missed strict queries.

[Sensitivity](sensitivity.md) shows on which conditions the statements depend, with synthetic traces. [Sensitivity on recorded hours](sensitivity-recorded.md) shows this with the recorded traces.

`)
	var table strings.Builder
	holding := make([]Holding, 4)
	table.WriteString(`
| catalogue | trace | VMs of util_aware compared with reactive | VMs of exascale compared with reactive | queries missed by reactive | misses of reactive that mixed avoids | cost of mixed ÷ reactive | cost that paragon saves compared with mixed |
|---|---|--:|--:|--:|--:|--:|--:|
`)
	for _, catalogue := range simulate.MarketNames() {
		var mine []comparison.Ran
		for _, r := range rows {
			if r.Row.Catalogue == catalogue {
				mine = append(mine, r)
			}
		}
		names, of := byTrace(mine)
		for _, t := range names {
			found := Findings(of[t])
			for i, f := range found {
				holding[i].add(f)
			}
			fmt.Fprintf(&table, "| %s | %s | %s | %s | %.3f %% | %s | %.3f | %s |\n", catalogue, t, verdict(found[0]), verdict(found[1]),
				100*of[t]["reactive"].Row.SLOViolation, verdict(found[2]), of[t]["mixed"].Row.RelativeToReactive, verdict(found[3]))
		}
	}
	_, err := io.WriteString(w, b.String()+counted(holding)+table.String())
	return err
}

// counted says on how many of the traces, in each catalogue, each finding holds.
func counted(holding []Holding) string {
	var out []string
	for i, n := range []string{"util_aware", "exascale", "mixed", "paragon"} {
		out = append(out, fmt.Sprintf("%s %d of %d", n, holding[i].Holds, holding[i].Of))
	}
	return "The statement about each scheme holds in this number of rows (rows with *none missed* do not count): " + strings.Join(out, ", ") + ".\n"
}
