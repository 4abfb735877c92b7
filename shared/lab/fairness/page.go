package fairness

import (
	"fmt"
	"strings"
)

// Page is what was measured, as a page.
type Page struct {
	Date    string  `json:"date"`    // day of the measurement, as 2026-11-28
	Machine string  `json:"machine"` // what it ran on
	Stages  []Stage `json:"stages"`
}

const intro = `# Fairness on one machine

` + "`make fairness`" + ` generates this page. It measures how much the load of one caller (the noisy caller) slows down another caller (the quiet caller). The quiet caller sends small
pictures at a constant rate. Each round has four measurements: the quiet caller alone, the quiet caller while the noisy caller sends 60 pictures of 16 megapixels, the quiet
caller while the noisy caller sends 20 times its share of small pictures, and the quiet caller while endless loops run next to the stage for as long as the large pictures are sent. The loops, one for each core,
have the idle priority of the processes that decode large pictures. Nothing in the stage knows of them: their factor is the part that the kernel's scheduler and the processor cause. The order of the measurements changes from round to round.

The latency of a query counts from the time at which the query was due. A *factor* is the latency divided by the latency without a noisy caller in the same round. A cell has the median over the rounds, and in
brackets the least and the greatest value. The goal is a p99 factor of at most %.2f. It was measured on %s. The machine is %s. The callers' programs run on the same machine, and the noisy
caller has a lower CPU priority.
`

const (
	columns      = "\n| load of the noisy caller | quiet caller: p50 ms | p99 ms | p50 factor | p99 factor | queries answered of sent | noisy caller: queries sent | answered | refused | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
	roundColumns = "\nThe single rounds, with the machine's load average over the minute before each measurement:\n\n| round | load of the noisy caller | load average | quiet caller: p50 ms | p99 ms | p99 factor |\n|--:|---|--:|--:|--:|--:|\n"
)

// tried is what other ways to decode large pictures were measured to change.
const tried = `
## What was tried for the large pictures

On 2026-11-30, a trace of the scheduler on the stage whose runners take a millisecond showed which threads ran while threads of the stage waited for a core for 0.5 ms or more: nearly always other threads
of the stage, and seldom the processes that decode. While large pictures were sent, three quarters of the CPU time of ` + "`paragon up`" + `, and two thirds of that of the workers, went to reading JSON. Both read a large
picture, at 16 ms for 350 KB of JSON. Now the picture is decoded apart from its JSON, in 0.6 ms. Two runs compared the two ways in turns, with 100 queries a second and with large pictures sent all the time.
A run has 5 rounds of 4 s, so 2000 queries in each of its figures. In the first two rounds of the first run, another measurement ran on the machine for 40 s:

| | p95 ms of each run | p99 ms of each run | p99 ms of the 10 rounds |
|---|--:|--:|--:|
| nobody | 3.6, 4.2 | 5.7, 7.0 | 6.1 (4.2 to 16.6) |
| nobody, the second time | 3.8, 3.7 | 5.8, 6.4 | 6.4 (3.4 to 15.2) |
| 60 large pictures | 7.2, 9.4 | 13.7, 42.5 | 16.2 (9.3 to 107.9) |
| apart from its JSON: nobody | 3.8, 3.6 | 6.3, 5.7 | 5.7 (4.1 to 24.1) |
| apart from its JSON: nobody, the second time | 3.5, 3.7 | 5.8, 6.0 | 5.5 (3.7 to 14.6) |
| apart from its JSON: 60 large pictures | 4.7, 5.8 | 7.8, 24.5 | 9.2 (6.6 to 68.1) |

Decoding has the idle priority (` + "`SCHED_IDLE`" + `). On 2026-11-29, before that change, we tried other ways to run it on the stage whose runners take a millisecond. One run compared all ways of a table in turns, and each measurement
took 5 s. The loops are outside the stage, one for each core. The measurement with nobody was made twice in each round, so the second one shows how much a factor varies without any cause in the stage.

| 4 to 5 rounds | p99 ms | p99 factor |
|---|--:|--:|
| nobody, the second time | 29 | 0.84 (0.41 to 2.15) |
| loops of idle priority, stopped by a signal | 32 | 1.13 (0.23 to 1.25) |
| loops of idle priority | 34 | 1.33 (0.50 to 2.23) |
| the same with ` + "`sched_yield`" + ` after each 0.2 ms | 37 | 1.36 (0.72 to 1.53) |
| the same with a sleep of 0.05 ms after each 0.1 ms | 33 | 1.08 (0.88 to 1.60) |
| the same with a sleep of 0.05 ms after each 0.3 ms | 42 | 1.33 (0.50 to 3.22) |
| loops of niceness 19 | 50 | 2.32 (1.19 to 3.66) |
| 60 large pictures | 38 | 1.92 (0.63 to 2.22) |

| 5 to 6 rounds | p99 ms | p99 factor |
|---|--:|--:|
| nobody, the second time | 33 | 1.07 (0.93 to 1.34) |
| 60 large pictures | 33 | 1.25 (0.55 to 3.39) |
| the same, decoding sleeps for 0.06 ms after each 0.2 ms | 25 | 0.95 (0.49 to 1.56) |
| the same, decoding sleeps for 0.06 ms after each 0.1 ms | 29 | 1.26 (0.45 to 3.02) |

- Niceness 19 was worse than the idle priority: the p95 over all rounds was 26 ms instead of 16. The differences between the other ways are smaller than the spread of nobody's second measurement.
- A last run compared only decoding as it is with the sleep after each 0.2 ms. In the 17 rounds of this run and that of the second table, the p99 with the sleep was 0.80 times (0.23 to 2.74) the p99 without it, and lower in 11 rounds. In the last run, the median
  latency of a large picture was 551 ms with the sleep and 222 ms without it. Therefore, decoding has no such sleep.
- On that day, the p99 with nobody was 33 to 42 ms, ten times that of the day before. In the last run, no other program took more than a few percent of a core. A thread that does nothing but read the clock lost less than 1 %% of its time while one core was busy, and 3 to 16 %%
  while both were, in gaps of up to 49 ms. The p50 with nobody was 7 to 8 ms, and 4 to 6 ms with large pictures: probably the cores wake late after they were idle. Such a machine cannot show a factor of %.2f.
- Decoding can delay a thread that wakes by about one timer tick, which is 4 ms here. Linux interrupts a thread of idle priority for one that wakes, but may choose the same one again, and then looks again at the next tick.
`

// mended is what made 20 times the share of load slow another caller down.
const mended = `
## What was mended for 20 times the share

On 2026-11-30, the stage whose runners take 100 ms was measured with the versions of several days, each time for 10 s with 10 queries a second of the quiet caller and 400 of the noisy one. Alone, the quiet caller's p99 was 105 to 110 ms.

| version | quiet caller: p50 ms of each run | p99 ms | answered of 100 | noisy caller: expired of 4000 |
|---|---|---|---|---|
| 2026-11-28 | 106, 109 | 170, 309 | 100, 100 | 0, 51 |
| 2026-11-29 | 112, 163 | 200, 589 | 100, 100 | 716, 754 |
| 2026-11-30, before | 128, 173 | 392, 657 | 100, 87 | 369, 1136 |
| 2026-11-30, mended | 106, 106 | 137, 230 | 100, 100 | 0, 0 |

- From 2026-11-29 on, a pool with more work than it could do counted as stopped, as its queries were overdue. Its backlog then did not count, and too many queries of the noisy caller were accepted: the stage used its CPU time for them, and a part of them expired. Now a
  pool does not count as stopped for a second after an answer, and the backlog counts in any case.
- Half of the runners, one of each worker, are kept for other callers. A caller who sends more than its share was nevertheless accepted as if it had all of them.
- A query that finds no runner and no function goes to the queue of its pool. There, a query of the quiet caller waited up to 40 s behind the noisy caller's. Callers now take turns on the queue.
- The rest is mostly the CPU time of two cores, which the callers' programs use, too. In two runs, the stage itself reported the latency of the 16 slowest of 100 queries of the quiet caller: they waited for a runner for 2.5 ms at most, and took 108 ms at most within the stage, but 131 and 144 ms for the caller.
`

// Markdown is the page.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, Aim, p.Date, p.Machine)
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n%s", s.Name, s.About, columns)
		for _, r := range s.Rows() {
			b.WriteString(r.line())
		}
		b.WriteString(roundColumns)
		for i, r := range s.Rounds {
			alone := r.of(Nobody).Quiet.LatencyMS.P99
			for _, t := range r {
				fmt.Fprintf(&b, "| %d | %s | %.1f | %.1f | %.1f | %.2f |\n", i+1, t.Neighbour, t.LoadAverage, t.Quiet.LatencyMS.P50, t.Quiet.LatencyMS.P99, t.Quiet.LatencyMS.P99/alone)
			}
		}
	}
	b.WriteString(mended)
	fmt.Fprintf(&b, tried, Aim)
	return b.String()
}

func (r Row) line() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %d of %d | %d | %d | %d | %d |\n", r.Neighbour,
		r.P50MS.text(1), r.P99MS.text(1), r.P50Of.text(2), r.P99Of.text(2), r.Answered, r.Sent, r.NoisySent, r.NoisyAnswered, r.NoisyRefused, r.NoisyFailed)
}

// text has the median, and in brackets the least and the most.
func (s Spread) text(digits int) string {
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, s.Median, digits, s.Least, digits, s.Most)
}
