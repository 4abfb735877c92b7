package tally

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// The slots of a History's windows.
const (
	minuteSlot, minuteSlots           = 10 * time.Second, 6
	fiveMinutesSlot, fiveMinutesSlots = time.Minute, 5
	hourSlot, hourSlots               = 5 * time.Minute, 12
)

// History follows the snapshots of many sources and knows what they counted in
// the last minute and in the last hour. It is encoded as JSON, to be kept
// between two processes. It is not safe for concurrent use.
type History struct {
	since        time.Time
	tracker      Tracker
	minute, hour Window
	fiveMinutes  Window // counts alone, by class
}

// NewHistory returns a history that begins now.
func NewHistory(now time.Time) *History {
	return &History{
		since: now, tracker: NewTracker(now), minute: newWindow(minuteSlot, minuteSlots), hour: newWindow(hourSlot, hourSlots),
		fiveMinutes: newWindow(fiveMinutesSlot, fiveMinutesSlots),
	}
}

// Feed takes a source's snapshot. What it has counted since its last one counts
// as of the snapshot's own time, but never as of a time to come. It returns that.
func (h *History) Feed(source string, s Snapshot, now time.Time) []Tally {
	at := s.At
	if at.After(now) {
		at = now
	}
	more := h.tracker.Advance(source, s, now).Tallies
	h.minute.Add(at, more)
	h.fiveMinutes.Add(at, countsOnly(more))
	h.hour.Add(at, more)
	return more
}

// Forget drops the sources that have said nothing for an hour.
func (h *History) Forget(now time.Time) { h.tracker.Forget(now) }

// ForgetSources drops all sources: each starts from its next snapshot, and what
// it counts until then is lost. So it is of one that begins within a minute, as
// clocks differ.
func (h *History) ForgetSources(now time.Time) { h.tracker = NewTracker(now.Add(2 * startSlack)) }

// saved is a history as JSON.
type saved struct {
	Since   time.Time `json:"since"`
	Tracker Tracker   `json:"tracker"`
	Minute  []slot    `json:"minute,omitempty"`
	Hour    []slot    `json:"hour,omitempty"`
	// FiveMinutes is absent from histories of earlier versions.
	FiveMinutes []slot `json:"five_minutes,omitempty"`
}

// MarshalJSON encodes all of it.
func (h *History) MarshalJSON() ([]byte, error) {
	return json.Marshal(saved{h.since, h.tracker, h.minute.kept, h.hour.kept, h.fiveMinutes.kept})
}

// UnmarshalJSON decodes what MarshalJSON encodes.
func (h *History) UnmarshalJSON(text []byte) error {
	var s saved
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("history of tallies: %w", err)
	}
	*h = *NewHistory(s.Since)
	h.tracker, h.minute.kept, h.hour.kept, h.fiveMinutes.kept = s.Tracker, s.Minute, s.Hour, s.FiveMinutes
	return nil
}

// Summary is a history in few words, for the status of a stage.
type Summary struct {
	At    time.Time `json:"at"`
	Since time.Time `json:"since"` // what was before is not known
	// Minute and Hour are the last ones, by class over all tasks (without a
	// task) and by task and class.
	Minute []Load `json:"minute,omitempty"`
	Hour   []Load `json:"hour,omitempty"`
	// FiveMinutes are the last ones, of the classes whose queries ended.
	FiveMinutes []ClassCounts `json:"five_minutes,omitempty"`
	// Runs are how long models took in the last hour, by model and resource.
	Runs []Run `json:"runs,omitempty"`
	// Shadows are the runs in shadow of the last hour, by version.
	Shadows []Shadow `json:"shadows,omitempty"`
}

// Burns are the burn rates that are known, of the last five minutes and the last hour.
func (s Summary) Burns() (out []Burn) {
	add := func(window string, of ClassCounts) {
		if rate, known := of.BurnRate(); known {
			out = append(out, Burn{of.Class, window, rate})
		}
	}
	for _, c := range s.FiveMinutes {
		add("5m", c)
	}
	for _, l := range s.Hour {
		if l.Task == "" { // over all tasks
			add("1h", ClassCounts{l.Class, l.Counts})
		}
	}
	return out
}

// IsZero reports whether there is no summary.
func (s Summary) IsZero() bool { return s.At.IsZero() }

// Load is what became of the queries of a class, and of a task if it is given.
type Load struct {
	Key
	Counts
	Latency Quantiles `json:"latency,omitzero"`
	Wait    Quantiles `json:"wait,omitzero"`
}

// Run is how long a model takes on a resource, when it can be held against a profile.
type Run struct {
	Key
	Count   int64     `json:"count"`
	Compute Quantiles `json:"compute"`
}

// Shadow is what a version did in shadow.
type Shadow struct {
	Version string `json:"version"`
	Runs    int64  `json:"runs"`   // failed ones included
	Faults  int64  `json:"faults"` // failed ones
	Agreed  int64  `json:"agreed"` // with the answers that were given
	// Compute is of its runs, and Served of those that had answered the same queries;
	// zeros while none can be compared.
	Compute Quantiles `json:"compute"`
	Served  Quantiles `json:"served"`
}

// Quantiles are those of times in milliseconds, within BucketError.
type Quantiles struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

// QuantilesOf returns a histogram's quantiles to three digits; zeros when it is empty.
func QuantilesOf(h Histogram) Quantiles {
	of := func(q float64) float64 {
		ms, _ := h.Quantile(q)
		return Rounded(ms, 3)
	}
	return Quantiles{of(0.50), of(0.95), of(0.99)}
}

// Rounded keeps the given number of significant digits: summaries are paid by their size, and histories are
// read often. What is not finite, which JSON does not hold, is 0.
func Rounded(v float64, digits int) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, float64(digits)-math.Ceil(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// maxRuns bounds the runs of a summary: those of which there are most are in it.
const maxRuns = 64

// Summary returns what was counted until now.
func (h *History) Summary(now time.Time) Summary {
	minute, hour := h.minute.Sum(now), h.hour.Sum(now)
	return Summary{At: now, Since: h.since, Minute: loads(minute), Hour: loads(hour), FiveMinutes: classCounts(h.fiveMinutes.Sum(now)), Runs: runs(hour), Shadows: shadows(hour)}
}

// LastMinute is what was counted in the last minute, by model.
func (h *History) LastMinute(now time.Time) []Tally {
	return Group(h.minute.Sum(now), func(k Key) Key { return Key{Model: k.Model} })
}

func loads(ts []Tally) []Load {
	var out []Load
	for _, t := range slices.Concat(Group(ts, ByClass), Group(ts, ByTask)) {
		if t.Class == "" || slices.ContainsFunc(out, func(l Load) bool { return l.Key == t.Key }) {
			continue
		}
		out = append(out, LoadOf(t))
	}
	return out
}

// LoadOf puts a tally in few words.
func LoadOf(t Tally) Load {
	t.CostUSD = Rounded(t.CostUSD, 5)
	return Load{Key: t.Key, Counts: t.Counts, Latency: QuantilesOf(t.Latency), Wait: QuantilesOf(t.Wait)}
}

func shadows(ts []Tally) (out []Shadow) {
	for _, t := range Group(ts, func(k Key) Key { return Key{Model: k.Model} }) {
		if t.Shadowed > 0 {
			out = append(out, Shadow{t.Model, t.Shadowed, t.Faults, t.Agreed, QuantilesOf(t.Compute), QuantilesOf(t.Paired)})
		}
	}
	return out
}

func runs(ts []Tally) []Run {
	var out []Run
	for _, t := range Group(ts, byResource) {
		if n := t.Compute.Count(); n > 0 {
			out = append(out, Run{t.Key, n, QuantilesOf(t.Compute)})
		}
	}
	slices.SortStableFunc(out, func(a, b Run) int { return cmp.Compare(b.Count, a.Count) })
	out = out[:min(len(out), maxRuns)]
	slices.SortFunc(out, func(a, b Run) int { return a.Compare(b.Key) })
	return out
}
