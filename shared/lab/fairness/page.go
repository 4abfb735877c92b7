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

` + "`make fairness`" + ` generates this page. It measures how much the load of one caller (the *noisy caller*) slows down another caller (the *quiet caller*). The quiet caller sends small
pictures at a constant rate. Each round has four measurements of the quiet caller:

- **nobody**: the quiet caller is alone.
- **60 large pictures**: the noisy caller sends 60 pictures of 16 megapixels.
- **20 times its share**: the noisy caller sends 20 times its share of small pictures.
- **none, but loops of idle priority**: there is no noisy caller. Endless loops run outside the stage, one for each core, for the time in which the large pictures would be sent. The loops have
  the idle priority, like the processes that decode large pictures. The stage does not know of the loops. The factor of this measurement is therefore the part that the kernel's scheduler and the processor cause.

The order of the measurements changes from round to round.

The latency of a query counts from the time at which the query was due. A *factor* is a latency divided by the quiet caller's latency alone in the same round. Each cell has the median over the rounds, and in
brackets the smallest and the largest value. The goal is a p99 factor of at most %.2f. The tables were measured on %s, on a machine with %s. The programs of both callers ran on the same
machine. The program of the noisy caller had a lower CPU priority.
`

const (
	columns      = "\n| measurement | quiet caller: p50 ms | p99 ms | p50 factor | p99 factor | queries answered, of those sent | noisy caller: queries sent | answered | refused | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
	roundColumns = "\nThe same, round by round. The load average is that of the machine over the minute before the measurement:\n\n| round | measurement | load average | quiet caller: p50 ms | p99 ms | p99 factor |\n|--:|---|--:|--:|--:|--:|\n"
)

// tried is what other ways to decode large pictures were measured to change.
const tried = `
## What was tried for the large pictures

On 2026-11-30, the kernel's scheduler was traced on the stage whose runners take a millisecond. Some threads of the stage waited for a core for 0.5 ms or more. In this time, nearly always other threads of the stage
ran, and seldom the processes that decode. While large pictures were sent, ` + "`paragon up`" + ` spent three quarters of its CPU time on reading JSON, and the workers spent two thirds. ` + "`paragon up`" + ` and a worker each read a large
picture. Each took 16 ms for 350 KB of JSON. Now each decodes the picture apart from its JSON, in 0.6 ms.

Two runs compared the two ways in turns. The quiet caller sent 100 queries a second. In the measurements with large pictures, these were sent all the time. Each run had 5 rounds of 4 s, so each of its figures is from
2000 queries. During the first two rounds of the first run, another measurement ran on the machine for 40 s:

| | p95 ms of each run | p99 ms of each run | p99 ms of the 10 rounds |
|---|--:|--:|--:|
| nobody | 3.6, 4.2 | 5.7, 7.0 | 6.1 (4.2 to 16.6) |
| nobody, the second time | 3.8, 3.7 | 5.8, 6.4 | 6.4 (3.4 to 15.2) |
| 60 large pictures | 7.2, 9.4 | 13.7, 42.5 | 16.2 (9.3 to 107.9) |
| apart from its JSON: nobody | 3.8, 3.6 | 6.3, 5.7 | 5.7 (4.1 to 24.1) |
| apart from its JSON: nobody, the second time | 3.5, 3.7 | 5.8, 6.0 | 5.5 (3.7 to 14.6) |
| apart from its JSON: 60 large pictures | 4.7, 5.8 | 7.8, 24.5 | 9.2 (6.6 to 68.1) |

The processes that decode have the idle priority (` + "`SCHED_IDLE`" + `). On 2026-11-29, before the change to the reading of JSON, we tried other ways to run these processes. We used the stage whose runners take a millisecond. For each
table, one run compared all ways in turns. Each measurement took 5 s. The loops ran outside the stage, one for each core. Each round had two measurements with nobody. The second one shows how much a factor varies without any
cause in the stage.

| measurement, in 4 to 5 rounds | p99 ms | p99 factor |
|---|--:|--:|
| nobody, the second time | 29 | 0.84 (0.41 to 2.15) |
| loops of idle priority, stopped by a signal | 32 | 1.13 (0.23 to 1.25) |
| loops of idle priority | 34 | 1.33 (0.50 to 2.23) |
| loops of idle priority with ` + "`sched_yield`" + ` after each 0.2 ms | 37 | 1.36 (0.72 to 1.53) |
| loops of idle priority with a sleep of 0.05 ms after each 0.1 ms | 33 | 1.08 (0.88 to 1.60) |
| loops of idle priority with a sleep of 0.05 ms after each 0.3 ms | 42 | 1.33 (0.50 to 3.22) |
| loops of niceness 19 | 50 | 2.32 (1.19 to 3.66) |
| 60 large pictures | 38 | 1.92 (0.63 to 2.22) |

| measurement, in 5 to 6 rounds | p99 ms | p99 factor |
|---|--:|--:|
| nobody, the second time | 33 | 1.07 (0.93 to 1.34) |
| 60 large pictures | 33 | 1.25 (0.55 to 3.39) |
| 60 large pictures, decoding sleeps for 0.06 ms after each 0.2 ms | 25 | 0.95 (0.49 to 1.56) |
| 60 large pictures, decoding sleeps for 0.06 ms after each 0.1 ms | 29 | 1.26 (0.45 to 3.02) |

- Niceness 19 was worse than the idle priority: over all rounds, the p95 was 26 ms with niceness 19 and 16 ms with the idle priority. The differences between the other ways are smaller than the spread of the second measurement with nobody.
- A last run compared only two ways: decoding without a sleep, and decoding with a sleep after each 0.2 ms. This run and the run of the second table had 17 rounds together. In these rounds, the p99 with the sleep was 0.80 times (0.23 to 2.74) the p99 without the sleep.
  It was lower in 11 rounds. In the last run, the median latency of a large picture was 551 ms with the sleep and 222 ms without the sleep. Therefore, decoding does not sleep.
- On 2026-11-29, the p99 with nobody was 33 to 42 ms, ten times the p99 of the day before. In the last run, no other program took more than a few percent of a core. A thread that only read the clock lost less than 1 %% of its time while one core was busy. While both cores
  were busy, this thread lost 3 to 16 %% of its time, in gaps of up to 49 ms. The p50 was 7 to 8 ms with nobody, and 4 to 6 ms with large pictures. Probably, cores that were idle wake late. Such a machine cannot show a factor of %.2f.
- When a thread wakes, decoding can delay this thread by about one timer tick, which is 4 ms here. Linux interrupts the thread of idle priority for the thread that wakes. But Linux may then choose the interrupted thread again, and decides anew only at the next tick.
`

// mended is what made 20 times the share of load slow another caller down.
const mended = `
## What was mended for 20 times the share

On 2026-11-30, Paragon's versions of several days were measured on the stage whose runners take 100 ms. Each run took 10 s. The quiet caller sent 10 queries a second, and the noisy caller sent 400. Alone, the quiet caller had a p99 of 105 to 110 ms. A cell has one value for each run.

| version | quiet caller: p50 ms | p99 ms | answered of 100 | noisy caller: expired of 4000 |
|---|---|---|---|---|
| 2026-11-28 | 106, 109 | 170, 309 | 100, 100 | 0, 51 |
| 2026-11-29 | 112, 163 | 200, 589 | 100, 100 | 716, 754 |
| 2026-11-30, before the changes | 128, 173 | 392, 657 | 100, 87 | 369, 1136 |
| 2026-11-30, after the changes | 106, 106 | 137, 230 | 100, 100 | 0, 0 |

- In the versions since 2026-11-29, a pool with more work than it could do counted as stopped, because its queries were overdue. The backlog of a stopped pool did not count. Therefore Paragon accepted too many queries of the noisy caller. The stage used its CPU time for
  these queries, and a part of them expired. Now a pool does not count as stopped until a second after its last answer. The backlog counts in any case.
- Each worker keeps one of its two runners for other callers. Before the changes, Paragon accepted queries of a caller above its share as if all runners were free for this caller.
- A query that finds no runner and no function goes to the queue of its pool. Before the changes, a query of the quiet caller waited there for up to 40 s behind queries of the noisy caller. Now callers take turns on the queue.
- After these changes, the remaining delay still had two causes, which times written by the front and by the workers showed. In the first four seconds, Paragon took in 800 to 1000 queries of the noisy caller that were late for certain, because they were within half of the time until they expire.
  Their handling took most of the CPU time of the two cores. And ` + "`paragon up`" + ` sent a query to the worker with the fewest open requests. In some runs, this was the same worker again and again, and the quiet caller's query waited there up to 100 ms for the previous one, while the runner that the other worker keeps was free.
- Now intake refuses a strict query of a caller above its share if the query would be late, while other callers use the stage. ` + "`paragon up`" + ` sends a query to the worker with the fewest open requests of the same caller.

The two builds were then compared in turns:

| build | quiet caller: p50 ms | p99 ms | answered of 100 | noisy caller: answered of 4000 |
|---|---|---|---|---|
| before these two changes | 108, 110, 111 | 208, 275, 176 | 100, 100, 100 | 1571, 1393, 1470 |
| after them | 105, 105, 106 | 117, 121, 124 | 100, 100, 100 | 720, 723, 729 |
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
