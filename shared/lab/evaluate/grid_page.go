package evaluate

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// WriteGrid writes the page of the made-up traces as Markdown: the loads, where
// the paper's findings hold, why, and every combination.
func WriteGrid(w io.Writer, grids []Grid) error {
	return writeGrid(w, gridIntro, "", grids)
}

// WriteRecordedGrid writes the page of recorded traces, with their peaks by
// sampling window.
func WriteRecordedGrid(w io.Writer, cases []comparison.Case, grids []Grid) error {
	var b strings.Builder
	writePeaks(&b, cases)
	return writeGrid(w, recordedIntro, b.String(), grids)
}

func writeGrid(w io.Writer, intro, peaks string, grids []Grid) error {
	var b strings.Builder
	b.WriteString(intro + gridRules)
	writeLoads(&b, grids)
	b.WriteString(peaks)
	writeWhere(&b, grids)
	writeWhy(&b, grids)
	writeUsed(&b, grids)
	writeHeadrooms(&b, grids)
	b.WriteString("\n## Every combination\n")
	for finding := range gridTitles {
		writeCells(&b, grids, finding)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the grid: %w", err)
	}
	return nil
}

const gridIntro = `# What the paper's findings depend on

` + "`make sensitivity`" + ` generates this page, and a test compares the page with a new run. The page covers one hour of
synthetic traces that resemble the recorded traces. [Sensitivity on recorded traces](sensitivity-recorded.md) covers one hour
of each recorded trace, and the [evaluation](evaluation.md) covers whole traces.
`

const recordedIntro = `# What the paper's findings depend on: recorded traces

` + "`make evaluation`" + ` generates this page. It covers the second hour of each recorded trace; [sensitivity](sensitivity.md) covers
synthetic traces. The trace of Wikipedia has only one count per hour: the simulator plays forty minutes
inside one such hour, with Poisson arrivals at the mean rate of that hour.
`

const gridRules = `
The simulator plays every combination of four conditions:

- **Price ratio**: the cost of a query on a function, divided by the cost of its share of a busy worker: 2.5, 5, 7.
  The paper's schemes decide without prices, so each run is priced at all three ratios.
- **Metric delay**: the time from an arrival until the controller's metrics contain it: 0, 60, 120 s.
- **Reactive rule**: the rule by which reactive, exascale, mixed and paragon size the pool. *Backlog / 10 s, idle 180 s*
  means that a scheme starts enough workers to clear the backlog in 10 s, and closes a worker that was idle for
  180 s. The [evaluation](evaluation.md) uses this rule. With 600 s and 0 s, the number of workers depends almost
  only on the arrival rate.
- **Overflow rule**: *at the bound* means that a query overflows only when no worker can start it within its latency bound.
  *When no runner is free* means that a query overflows at once when all runners are busy; the text of the paper
  describes this rule.

All other conditions are those of the evaluation, with the catalogue ` + "`paper2020`" + ` and seed 1. A cell states what was measured
and whether the finding holds, or else why it fails. Near a limit, a single cell proves little: in a fleet of ten workers one worker more or less changes
the result by 10 %, and a scheme that rarely closes workers still has those of its first minutes at the end of the hour. A row or
a column whose cells agree proves more.
`
