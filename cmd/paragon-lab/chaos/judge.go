package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// errorsFor is for how long after the end of a fault an answer of 5xx, or none, may
// come.
const errorsFor = 15 * time.Second

// exchange is a request that was answered with 5xx, or not at all.
type exchange struct {
	at     time.Duration // when that was known, from the start of the load
	status int           // 0 without an answer
}

// observed is all that the prober has seen of a run.
type observed struct {
	rows   []load.Row
	faults []Injected
	bad    []exchange
	// functions are samples of the processor time of the functions.
	functions []sample
	// changed are the queries whose records read otherwise after the run than when
	// they ended, by id.
	changed map[string]string
}

// Promises are how the promises were kept.
type Promises struct {
	Accepted int `json:"accepted"` // answered with 200 or 202
	Lost     int `json:"lost"`     // of those, without an end
	Double   int `json:"double"`   // of those, whose end was another when it was read again
	Expired  int `json:"expired"`  // of those: functions can run in every fault
	// ExpiredStarved are the expired ones in whose time functions got next to no processor
	// time.
	ExpiredStarved int `json:"expired_starved"`
	Failed         int `json:"failed"` // of those accepted: no query of the load is wrong
	// Repeats are the answered queries with a key that were sent again, RepeatsDiffering
	// those of them that got another answer.
	Repeats          int `json:"repeats"`
	RepeatsDiffering int `json:"repeats_differing"`
	// Strict are the accepted strict queries, StrictLate those that missed their bound,
	// and StrictInHands those of the late ones that the faulty process or store held.
	Strict        int `json:"strict"`
	StrictLate    int `json:"strict_late"`
	StrictInHands int `json:"strict_in_hands"`
	// StrictKeptPercent is the share of the strict queries that kept their bound, but
	// for those in hands.
	StrictKeptPercent float64 `json:"strict_kept_percent"`
	// ServerErrors are the answers of 5xx by status; NoAnswer the requests without one.
	ServerErrors map[int]int `json:"server_errors"`
	NoAnswer     int         `json:"no_answer"`
	// LatestErrorSeconds is how long after the end of the last fault before it the
	// latest of both came.
	LatestErrorSeconds float64 `json:"latest_error_seconds"`
}

// judge counts what was observed.
func judge(o observed) Promises {
	p := Promises{Double: len(o.changed), ServerErrors: map[int]int{}}
	for _, r := range o.rows {
		p.addRow(r, o)
	}
	for _, e := range o.bad {
		if e.status == 0 {
			p.NoAnswer++
		} else {
			p.ServerErrors[e.status]++
		}
		p.LatestErrorSeconds = max(p.LatestErrorSeconds, sinceFault(e.at, o.faults).Seconds())
	}
	p.StrictKeptPercent = 100
	if free := p.Strict - p.StrictInHands; free > 0 {
		p.StrictKeptPercent = 100 * float64(p.Strict-p.StrictLate) / float64(free)
	}
	return p
}

func (p *Promises) addRow(r load.Row, o observed) {
	if !r.Answer.Accepted {
		return
	}
	p.Accepted++
	p.Lost += one(r.Answer.Lost())
	if r.Answer.State == query.Expired {
		p.Expired++
		p.ExpiredStarved += one(starved(o.functions, r.Done-r.Answer.Took, r.Done))
	}
	p.Failed += one(r.Answer.State == query.Failed || r.Answer.State == query.Cancelled)
	p.Repeats += one(r.Answer.Repeat != "")
	p.RepeatsDiffering += one(r.Answer.Repeat == load.OtherAnswer)
	if r.Shot.Class != query.Strict {
		return
	}
	p.Strict++
	if late(r) {
		p.StrictLate++
		p.StrictInHands += one(inHands(r, o.faults))
	}
}

// late says whether a strict query missed its bound: by the prober's clock where its
// caller waited in the request, else by its record.
func late(r load.Row) bool {
	if r.Answer.State != query.Succeeded {
		return true
	}
	if r.Shot.Async {
		return !r.Answer.MetSLO
	}
	return r.Answer.Took > query.Duration(r.Shot.LatencyMS)
}

// inHands says whether a query was under way, from the try that was accepted on, while a fault held queries. One that was
// answered directly never was in the hands of the store.
func inHands(r load.Row, faults []Injected) bool {
	for _, f := range faults {
		from, until := f.hands()
		if f.Skipped == "" && r.Done-r.Answer.Took <= until && r.Done >= from && (r.Answer.Stored || !f.ofStore()) {
			return true
		}
	}
	return false
}

// sinceFault is how long before a moment the last fault ended that had begun: 0 while
// one lasts, and from the start where none had begun.
func sinceFault(at time.Duration, faults []Injected) time.Duration {
	least := at
	for _, f := range faults {
		if f.Skipped == "" && f.From <= at {
			least = min(least, max(0, at-f.Until))
		}
	}
	return least
}

// Broken says in a sentence each which promises were broken. The objective is the share
// of strict queries in percent that must keep their bounds, but for those in hands.
func (p Promises) Broken(objective float64) []string {
	var out []string
	check := func(kept bool, format string, args ...any) {
		if !kept {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	check(p.Accepted > 0, "no query was accepted, so the run proves nothing")
	check(p.Lost == 0, "%d accepted queries were lost", p.Lost)
	check(p.Double == 0, "%d queries ended twice", p.Double)
	check(p.RepeatsDiffering == 0, "%d repeats with the same idempotency key got a different answer than the first query", p.RepeatsDiffering)
	check(p.Expired == p.ExpiredStarved, "%d queries expired although functions could run", p.Expired-p.ExpiredStarved)
	check(p.Failed == 0, "%d queries failed", p.Failed)
	check(p.StrictKeptPercent >= objective, "%.2f %% of the strict queries kept their bounds, below the objective of %g %%", p.StrictKeptPercent, objective)
	check(p.LatestErrorSeconds <= errorsFor.Seconds(), "an error occurred %.1f s after the end of a fault; the limit is %g s", p.LatestErrorSeconds, errorsFor.Seconds())
	return out
}

// neverInjected says in a sentence each of which kinds of fault none was injected: of those
// the run shows nothing.
func neverInjected(faults []Injected) []string {
	var out []string
	for _, k := range Kinds() {
		done, skipped := countKind(faults, k)
		if done > 0 {
			continue
		}
		says := fmt.Sprintf("the fault %q was never injected", k)
		if why := slices.Sorted(maps.Keys(skipped)); len(why) > 0 {
			says += " (" + strings.Join(why, ", ") + ")"
		}
		out = append(out, says)
	}
	return out
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
