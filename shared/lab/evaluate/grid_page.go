package evaluate

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// WriteGrid writes the page of the made-up traces as Markdown: the loads, where
// the paper's findings hold, and why they fail elsewhere.
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
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the grid: %w", err)
	}
	return nil
}

const gridIntro = `# What the paper's findings depend on

` + "`make sensitivity`" + ` generates this page. The page shows under which conditions the *findings* of the Paragon paper about its [schemes](../schemes.md) hold. It covers one hour of synthetic traces that resemble the recorded
traces. [Sensitivity on recorded traces](sensitivity-recorded.md) covers one hour of each recorded trace, and the [evaluation](evaluation.md) covers whole traces.
`

const recordedIntro = `# What the paper's findings depend on: recorded traces

` + "`make evaluation`" + ` generates this page. The page shows under which conditions the *findings* of the Paragon paper about its [schemes](../schemes.md) hold. It covers the
second hour of each recorded trace. For Wikipedia, which has only one count per hour, the simulator plays forty minutes with Poisson arrivals at the mean rate of the hour.
[Sensitivity](sensitivity.md) covers synthetic traces.
`

const gridRules = `
The simulator plays every combination of four conditions:

- **Price ratio**: the cost of a query on a function, divided by the cost of its share of a busy worker. The ratios are 2.5, 5 and 7.
  The paper's schemes decide without prices. Therefore one run is priced at all three ratios.
- **Metric delay**: the time from an arrival until the controller's metrics contain it. The delays are 0, 60 and 120 s.
- **Reactive rule**: the rule by which reactive, exascale, mixed and paragon decide the number of workers. The rule has
  two durations. A scheme starts enough workers to clear the backlog within the first duration, and closes a worker that was idle for the second duration (under paragon, for a third of it). The
  [evaluation](evaluation.md) uses 10 s and 180 s.
- **Overflow rule**: *at the bound* means that a query overflows only when no worker can start it within its latency bound.
  *When no runner is free* means that a query overflows at once when all runners are busy, as in the text of the paper.

All other conditions are those of the evaluation, with the catalogue ` + "`paper2020`" + ` and seed 1.

In a combination, a finding *holds*, or it fails for one of these reasons:

- *too few* or *too many*: the additional VMs of util_aware or exascale are less than 20 %, or more than 30 %, of the VMs of reactive.
- *too little*: mixed avoids less than 60 % of the misses of reactive, or paragon saves less than 10 % of the cost of mixed.
- *misses more*: util_aware or exascale misses more latency bounds than reactive, or paragon misses the bounds of more strict queries than mixed. Between paragon and mixed, a difference of up to 0.5 percentage points is allowed.
- *costs more*: mixed costs more than 1.1 times as much as reactive.
- *none missed*: reactive missed no query, so the finding could not be measured.
- *saves nothing*: the peak to median is above 1.5, but mixed saves less than 1 %.
- *saves anyway*: mixed saves at least 1 %, although the peak to median is not above 1.5.

Near a limit, a single combination proves little: in a fleet of ten workers, one worker more or less changes the result by 10 %. Many combinations with the same result prove more. ` + "`paragon-lab sensitivity --json`" + ` prints every combination.
`
