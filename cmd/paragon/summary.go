package main

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// summary describes a query in one line: what it is, how sure, which model, where
// it ran, how long it took and what it cost.
func summary(q api.Query) string {
	switch {
	case q.Result != nil:
		parts := []string{
			answer(q.Result), q.Model, "on " + ranOn(q.ServedBy), took(q), pricing.Dollars(q.CostUSD*1e6) + " per million queries", q.ID,
		}
		return cli.OneLine(strings.Join(parts, " · "))
	case q.Failure != nil:
		return cli.OneLine(fmt.Sprintf("%s: %s (%s) · %s", q.State, q.Failure.Detail, q.Failure.Code, q.ID))
	case q.State.Terminal():
		return fmt.Sprintf("%s · %s", q.State, q.ID)
	}
	return cli.OneLine(fmt.Sprintf("%s, not answered yet · `paragon get --wait 60 %s` waits for the answer", q.State, q.ID))
}

// answer is the best label and its score in percent.
func answer(r *query.Result) string {
	label := cmp.Or(r.Label, fmt.Sprintf("class %d", r.Index))
	if len(r.Top) == 0 {
		return label
	}
	return fmt.Sprintf("%s %.1f %%", label, 100*r.Best())
}

// ranOn reports where a query was answered.
func ranOn(r *query.Runner) string {
	if r == nil {
		return "nothing"
	}
	text := string(r.Kind) + " " + r.Name
	var notes []string
	if r.Kind == query.OnWorker && r.Resource != "" {
		notes = append(notes, r.Resource)
	}
	if r.MemoryMB > 0 {
		notes = append(notes, fmt.Sprintf("%d MB", r.MemoryMB))
	}
	if r.Cold {
		notes = append(notes, "cold start")
	}
	if r.Paced {
		notes = append(notes, "slowed down to the profile's service time")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

// orZero is a figure, or 0 of one that is not known.
func orZero(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// took is the latency, and whether it kept the bound.
func took(q api.Query) string {
	text := cli.Milliseconds(orZero(q.LatencyMS))
	if q.Missed() {
		text += ", late: bound " + cli.Milliseconds(query.Milliseconds(q.DeadlineAt.Sub(q.AcceptedAt)))
	}
	return text
}

// events says in words what a step of a trail is.
var events = map[query.Event]string{
	query.StepPlaced:   "sent to",
	query.StepBounced:  "not accepted by",
	query.StepFellBack: "returned to",
	query.StepRetried:  "a run failed on",
	query.StepRedriven: "put back on",
	query.StepRan:      "ran on",
}

// story describes a trail in words, a line a step, with the time since acceptance.
func story(q api.Query) string {
	var b strings.Builder
	for _, s := range q.Trail {
		ms := query.Milliseconds(s.At.Sub(q.AcceptedAt))
		event := cmp.Or(events[s.Event], string(s.Event))
		fmt.Fprintf(&b, "  %10s  %s %s", "+"+cli.Milliseconds(ms), event, path.Base(s.Where))
		if s.Why != "" {
			fmt.Fprintf(&b, ": %s", s.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
