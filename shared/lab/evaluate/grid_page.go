package evaluate

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// WriteGrid writes the page of the made-up traces as Markdown: the loads, where
// the paper's findings hold, why, and every setting.
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
	b.WriteString("\n## Every setting\n")
	for finding := range gridTitles {
		writeCells(&b, grids, finding)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the grid: %w", err)
	}
	return nil
}

const gridIntro = `# On what the paper's findings depend

Made by ` + "`make sensitivity`" + `; edit nothing here: a test makes this page again and compares. An hour of
made-up traces in the shapes of the recorded ones; the same on recorded hours is in
[sensitivity-recorded.md](sensitivity-recorded.md), whole traces are in [evaluation.md](evaluation.md).
`

const recordedIntro = `# On what the paper's findings depend, on recorded hours

Made by ` + "`make evaluation`" + `; edit nothing here. As [sensitivity.md](sensitivity.md), which
is made on every machine, on an hour of each recorded trace from its second hour on. Wikipedia's
counts are by the hour: forty minutes inside one of them are played, Poisson at its rate.
`

const gridRules = `
Every combination of four things is played:

- **price ratio**: what a query costs on a function relative to its share of a busy worker: 2.5, 5, 7.
  The schemes of the paper decide without prices, so that a run is priced three times.
- **metric delay**: 0, 60, 120 s from an arrival to the controller.
- **reactive rule**, which exascale, mixed and paragon share: in which time the backlog is to be
  worked off, and after which idle time a worker closes. The first, 10 s and 180 s, is the
  evaluation's; the last, 600 s and 0 s, is nearly the rate alone.
- **slot rule**: a query overflows when no worker can start it within its bound, or at once when no
  runner is free, as the paper reads it.

Catalogue ` + "`paper2020`" + `, seed 1, the rest as in [evaluation.md](evaluation.md). A finding that does not hold
has its reason in its cell. A fleet of ten workers moves in tenths, and one that keeps what it has keeps its
first minutes: a cell next to a limit says little, a row or a column that agrees says more.
`
