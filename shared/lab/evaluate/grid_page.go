package evaluate

import (
	"fmt"
	"io"
	"strings"

	"paragon/shared/simulate/comparison"
)

// WriteGrid writes the page of the made-up traces as Markdown: the loads, where
// the paper's findings hold, why, and every setting.
func WriteGrid(w io.Writer, grids []Grid) error {
	return writeGrid(w, gridIntro, gridReasons, "", grids)
}

// WriteRecordedGrid writes the page of recorded traces, with their peaks by
// sampling window.
func WriteRecordedGrid(w io.Writer, cases []comparison.Case, grids []Grid) error {
	var b strings.Builder
	writePeaks(&b, cases)
	return writeGrid(w, recordedIntro, recordedReasons, b.String(), grids)
}

func writeGrid(w io.Writer, intro, reasons, peaks string, grids []Grid) error {
	var b strings.Builder
	b.WriteString(intro + gridRules)
	writeLoads(&b, grids)
	b.WriteString(peaks)
	writeWhere(&b, grids)
	b.WriteString(reasons)
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

Made by ` + "`make evaluation`" + `; edit nothing here. As [sensitivity.md](sensitivity.md), which has the reasons
and is made on every machine, on an hour of each recorded trace from its second hour on. Wikipedia's
counts are by the hour: forty minutes inside one of them are played, Poisson at its rate.
`

const gridRules = `
Every combination of four things is played:

- **price ratio**: what a query costs on a function beside its share of a busy worker: 2.5, 5, 7.
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

const recordedReasons = `
## What explains it
`

const gridReasons = `
## Why

**util_aware.** INFaaS' rule adds a worker above 80 % use and removes one below 50 %: it holds 1.25 to 2
times what the rate needs, whatever reactive does. How many more than reactive that is depends on how full
reactive runs, which the first table below has. The paper's 20 to 30 % come out where reactive uses some two
thirds of its workers. By the evaluation's rule it uses less of them on bursty load: a worker closes when
nothing ran on it for 180 s, and although load gathers on the first workers, a burst reaches the last one
before these are over. So reactive stays at its peak, and that peak is high: what waits is to be worked off
within 10 s by workers that take 100 s to boot. util_aware then holds about as many. Workers that close
after 10 to 60 s bring the finding back on bursty load. On flat load reactive is nearly full and util_aware
holds more than 30 % above it in every setting; on the twitter-like load, a fleet of a few workers that still
has its first burst's, it holds fewer than 20 % or, against the rate alone, more than 30 %, and in no
setting what the paper has. Recorded Twitter has it in most settings.

**exascale** multiplies what the same rule sees, or the forecast, by its headroom. At 1.2 that is a fifth
more at most, and less where its headroom spares it a backlog that reactive boots for. The paper gives no
headroom: the second table below has the finding at 1.3 to 1.5 on every trace, and at the evaluation's
reactive rule on each but the twitter-like one.

**mixed misses less** than reactive wherever reactive misses any. The cost stays alike when overflow waits to
the bound and workers do not close at once; it mostly does not when what finds no free runner is paid for as
a function, or when workers follow the rate alone, so that functions take every burst. By the evaluation's rule
reactive misses no bound in these hours, and there is nothing to cut.

**paragon** follows the mean of a minute and closes workers in a third of the time that mixed takes. On bursty
load that saves the paper's 10 % in most settings. It does not when mixed closes as fast (idle 10 s) or when
what finds no free runner overflows at 5 or 7 times a worker's price: then the smaller fleet pays more for
functions. On flat load both hold what the rate needs, and there is nothing to save.

**What mixed saves** beside reactive: nothing on flat load, as the paper says, in every setting. On bursty load
it saves little either, and this finding of the paper holds in few settings: mixed procures by reactive's rule and
spends less only where overflow keeps a backlog away that reactive would have booted for. With metrics a minute
old that rarely happens. What mixed does save is beside the schemes that hold more: its workers are used as
reactive's are, and util_aware's and exascale's less.
`
