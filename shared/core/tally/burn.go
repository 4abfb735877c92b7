package tally

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// ObjectivePercent is the objective of attainment: the share of queries, in percent,
// that are to be answered within their bounds.
const ObjectivePercent = 99

// BurnRate is how fast the queries spend the misses that the objective allows: the
// share of misses divided by the share that may miss. At 1 all of the misses that
// are allowed happen, and no more; at 10, with an objective of 99 %, a tenth of the
// queries miss. It is not known while none has ended. Failures by a caller's fault
// are no misses. After Google's Site Reliability Workbook, chapter 5.
func (c Counts) BurnRate() (rate float64, known bool) {
	ended := c.Ended()
	if ended <= 0 {
		return 0, false
	}
	return 100 * float64(ended-c.Met) / float64(ended) / (100 - ObjectivePercent), true
}

// ClassCounts are what became of the queries of a class.
type ClassCounts struct {
	Class query.Class `json:"class"`
	Counts
}

// countsOnly leaves out what a burn rate does not need: all but counts by class.
func countsOnly(ts []Tally) []Tally {
	var out []Tally
	for _, t := range Group(ts, ByClass) {
		out = append(out, Tally{Key: t.Key, Counts: t.Counts})
	}
	return out
}

// classCounts keeps of each class what a burn rate needs: summaries are paid by their size.
func classCounts(ts []Tally) []ClassCounts {
	var out []ClassCounts
	for _, t := range ts {
		if t.Class != "" && t.Ended() > 0 {
			out = append(out, ClassCounts{t.Class, Counts{Answered: t.Answered, Failed: t.Failed, Expired: t.Expired, Met: t.Met}})
		}
	}
	return out
}

// Burns counts queries by class over the windows of the burn rate. It is not safe for
// concurrent use.
type Burns struct{ fiveMinutes, hour Window }

// NewBurns returns windows in which nothing has ended.
func NewBurns() *Burns {
	return &Burns{newWindow(fiveMinutesSlot, fiveMinutesSlots), newWindow(hourSlot, hourSlots)}
}

// Add counts tallies at a moment.
func (b *Burns) Add(at time.Time, ts []Tally) {
	counts := countsOnly(ts)
	b.fiveMinutes.Add(at, counts)
	b.hour.Add(at, counts)
}

// Burn is the burn rate of a class over a window: "5m" or "1h".
type Burn struct {
	Class  query.Class
	Window string
	Rate   float64
}

// Rates returns the burn rates that are known.
func (b *Burns) Rates(now time.Time) (out []Burn) {
	for _, w := range []struct {
		name string
		ts   []Tally
	}{{"5m", b.fiveMinutes.Sum(now)}, {"1h", b.hour.Sum(now)}} {
		for _, t := range w.ts {
			if rate, known := t.BurnRate(); known && t.Class != "" {
				out = append(out, Burn{t.Class, w.name, rate})
			}
		}
	}
	return out
}
