package load

import (
	"cmp"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Report is what a run measured.
type Report struct {
	Seconds   float64 `json:"seconds"`    // from the start to the last answer
	SentPerS  float64 `json:"sent_per_s"` // mean over the time of sending
	LateMS    float64 `json:"late_ms"`    // p99 of how late queries were sent; large means that this machine or --max-outstanding held the load back
	HeldBack  int     `json:"held_back"`  // queries that found --max-outstanding without an answer when they were due
	Paced     bool    `json:"paced"`      // some runner was paced by its profile's service time
	All       Group   `json:"all"`
	Strict    Group   `json:"strict"`
	Relaxed   Group   `json:"relaxed"`
	Cancelled bool    `json:"cancelled,omitempty"` // the run was stopped before its end
}

// Group is what became of the queries of one class, or of all.
type Group struct {
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	Failed   int `json:"failed"` // everything else: refused, failed, expired, given up
	// MetPercent is the share of the sent that were answered within their
	// bound counted from the intended time of sending; ServerMetPercent counts
	// as the server does, from acceptance.
	MetPercent       float64 `json:"met_percent"`
	ServerMetPercent float64 `json:"server_met_percent"`
	// LatencyMS is of the answered, from the intended time of sending.
	LatencyMS        Latency        `json:"latency_ms"`
	WorkersPercent   float64        `json:"workers_percent"` // of the answered
	FunctionsPercent float64        `json:"functions_percent"`
	ColdStarts       int            `json:"cold_starts"`
	MeanCostUSD      float64        `json:"mean_cost_usd"` // of the answered
	CostPerMillion   float64        `json:"cost_usd_per_million"`
	Faults           map[string]int `json:"faults,omitempty"` // of the failed, by reason
	// Lost is of the failed those that the server accepted and never ended.
	Lost int `json:"lost"`
	// Keyed is how many were sent with an idempotency key, Repeats how many of them
	// twice, and RepeatsDiffering how many of those got another answer than the first.
	Keyed            int `json:"keyed"`
	Repeats          int `json:"repeats"`
	RepeatsDiffering int `json:"repeats_differing"`
}

// Latency is percentiles in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Tally adds rows up to a report. Make it with NewTally.
type Tally struct {
	all, strict, relaxed *group
	late                 *hdrhistogram.Histogram
	lastSent, last       time.Duration
	held                 int
	paced                bool
}

// NewTally returns an empty tally.
func NewTally() *Tally {
	return &Tally{all: newGroup(), strict: newGroup(), relaxed: newGroup(), late: histogram()}
}

// Add takes one more query into account.
func (t *Tally) Add(r Row) {
	t.all.add(r)
	if r.Shot.Class == query.Strict {
		t.strict.add(r)
	} else {
		t.relaxed.add(r)
	}
	record(t.late, r.Sent-r.Intended)
	t.lastSent, t.last = max(t.lastSent, r.Sent), max(t.last, r.Done)
	t.held += one(r.Held)
	t.paced = t.paced || r.Answer.Paced
}

// Counts returns how many queries finished so far, and how many of them were answered.
func (t *Tally) Counts() (finished, answered int) { return t.all.sent, t.all.answered }

// Report returns what the rows add up to.
func (t *Tally) Report() Report {
	return Report{
		Seconds:  t.last.Seconds(),
		SentPerS: ratio(float64(t.all.sent), t.lastSent.Seconds()),
		LateMS:   milliseconds(t.late.ValueAtQuantile(99)),
		HeldBack: t.held,
		Paced:    t.paced,
		All:      t.all.report(), Strict: t.strict.report(), Relaxed: t.relaxed.report(),
	}
}

type group struct {
	sent, answered, met, serverMet, functions, cold int
	lost, keyed, repeats, differing                 int
	cost                                            float64
	faults                                          map[string]int
	latency                                         *hdrhistogram.Histogram
}

func newGroup() *group { return &group{faults: map[string]int{}, latency: histogram()} }

func (g *group) add(r Row) {
	g.sent++
	g.lost += one(r.Answer.Lost())
	g.keyed += one(r.Shot.Key != "")
	g.repeats += one(r.Answer.Repeat != "")
	g.differing += one(r.Answer.Repeat == OtherAnswer)
	if r.Answer.State != query.Succeeded {
		g.faults[cmp.Or(r.Answer.Fault, string(r.Answer.State), "unknown")]++
		return
	}
	g.answered++
	g.met += one(r.Met())
	g.serverMet += one(r.Answer.MetSLO)
	g.functions += one(r.Answer.ServedBy == query.OnFunction)
	g.cold += one(r.Answer.Cold)
	g.cost += r.Answer.CostUSD
	record(g.latency, r.Latency())
}

func (g *group) report() Group {
	answered, sent := float64(g.answered), float64(g.sent)
	cost := ratio(g.cost, answered)
	return Group{
		Sent: g.sent, Answered: g.answered, Failed: g.sent - g.answered,
		MetPercent: 100 * ratio(float64(g.met), sent), ServerMetPercent: 100 * ratio(float64(g.serverMet), sent),
		LatencyMS:      percentiles(g.latency),
		WorkersPercent: 100 * ratio(float64(g.answered-g.functions), answered), FunctionsPercent: 100 * ratio(float64(g.functions), answered),
		ColdStarts: g.cold, MeanCostUSD: cost, CostPerMillion: cost * 1e6, Faults: g.faults,
		Lost: g.lost, Keyed: g.keyed, Repeats: g.repeats, RepeatsDiffering: g.differing,
	}
}

// histogram holds 1 µs to an hour at three digits.
func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Hour.Microseconds(), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(d.Microseconds(), 1), time.Hour.Microseconds())
	if err := h.RecordValue(us); err != nil {
		panic("load: a clamped latency is outside its histogram: " + err.Error())
	}
}

func percentiles(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) float64 { return milliseconds(h.ValueAtQuantile(q)) }
	return Latency{P50: at(50), P90: at(90), P95: at(95), P99: at(99), Max: milliseconds(h.Max())}
}

func milliseconds(us int64) float64 { return float64(us) / 1000 }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
