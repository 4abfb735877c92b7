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
- **20 times its share**: the noisy caller sends small pictures, at 20 times the rate that is its share. The sections below state this share.
- **none, but loops of idle priority**: there is no noisy caller. Endless loops run outside the stage, one for each core, for as long as the large pictures would be sent. Like the processes that decode large
  pictures, the loops have the idle priority. If the quiet caller is slower in this measurement, the cause is the kernel's scheduler or the processor, not the stage.

The order of the measurements changes from round to round.

The latency of a query counts from the time at which the query was due. A *factor* is a latency divided by the latency of the measurement *nobody* in the same round. Each cell has the median over the rounds, and in
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

In a request, a large picture is base64 text in JSON (350 KB). ` + "`paragon up`" + ` and the worker each decode this text apart from the rest of the JSON, in 0.6 ms. The JSON decoder took 16 ms. Two runs of 5 rounds compared separate decoding with the JSON decoder, with
100 queries a second, on the stage whose runners take a millisecond. In the first run, while the noisy caller sent large pictures, the quiet caller's p99 was 7.8 ms with separate decoding, and 13.7 ms with the JSON decoder. In the second run, it was 24.5 and 42.5 ms. Without the noisy caller, the p99 was 5.7 to 7.0 ms.

The processes that decode pictures have the idle priority (` + "`SCHED_IDLE`" + `). On 2026-11-29, two other ways were tried on the same stage:

- **Niceness 19** instead of the idle priority, tried with endless loops in place of the decoding: the quiet caller's p95 was 26 ms, and 16 ms with the idle priority.
- **Decoding that sleeps for 0.06 ms after each 0.2 ms**: in 17 rounds, the p99 was 0.80 times (0.23 to 2.74) the p99 without the sleep. But the median latency of a large picture was 551 ms, and 222 ms without the sleep. Decoding
  therefore does not sleep.

On 2026-11-30, such a process ended after 5 s without work, so that the pictures of each measurement started it again, which takes 16 ms of a core. Builds without and with processes that stay were compared in turns, with 8 measurements of each kind. With
60 large pictures, the quiet caller's p99 was 5.0 ms without, and 4.5 ms with processes that stay. Without the noisy caller, it was 3.1 and 3.3 ms. Now a process stays for 5 minutes after its last picture, and frees its memory after a second.

A thread of idle priority that has got a core can keep it until the next timer tick, which is 4 ms here, although other threads wait. Since 2026-11-30, decoding therefore offers its core to other threads (` + "`sched_yield`" + `) after each line of pixels.
Builds without and with this change were compared in turns, with 6 measurements of each kind. The quiet caller sent 55 queries a second for the 4 s in which the noisy caller sent the large pictures. Each cell has the median:

| build | quiet caller: p99 ms without the noisy caller | with 60 large pictures | large pictures: p50 ms | p99 ms |
|---|--:|--:|--:|--:|
| decoding keeps the core | 4.3 | 6.3 | 21 | 158 |
| decoding offers the core | 3.4 | 3.5 | 26 | 188 |
`

// mended is what made 20 times the share of load slow another caller down.
const mended = `
## What was mended for 20 times the share

On 2026-11-30, five changes reduced the delay of the quiet caller on the stage whose runners take 100 ms:

- A pool that has answered within the last second no longer counts as stopped, even if it is overloaded. Paragon now includes the backlog of such a pool when it decides which queries to accept.
- On each worker, no caller may occupy both runners while others use the worker: one runner stays free for them. When Paragon decides whether to accept a query of a caller above its share, it no longer counts the runners that stay free.
- Callers take turns on the queue of a pool.
- While other callers use the stage, intake refuses a strict query of a caller above its share if the query would be late.
- ` + "`paragon up`" + ` sends a query to the worker with the fewest open requests of the same caller.

Before these changes, the quiet caller had a p99 of 392 and 657 ms in two runs of 10 s. Without the noisy caller, its p99 was 105 to 110 ms. The table compares builds without and with the last two changes, in turns, in three runs of 10 s. The
quiet caller sent 10 queries a second, and the noisy caller sent 400. A cell has one value for each run.

| build | quiet caller: p50 ms | p99 ms | answered of 100 | noisy caller: answered of 4000 |
|---|---|---|---|---|
| without the last two changes | 108, 110, 111 | 208, 275, 176 | 100, 100, 100 | 1571, 1393, 1470 |
| with all five changes | 105, 105, 106 | 117, 121, 124 | 100, 100, 100 | 720, 723, 729 |
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
	b.WriteString(tried)
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
