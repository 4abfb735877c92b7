package main

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/measure"
)

// summary describes a query in one line: what it is, how sure, which model, where
// it ran, how long it took and what it cost.
func summary(q api.Query) string { return inOneLine(q, ranOn(q.ServedBy)) }

// briefly is summary without what is the same of all queries: that runs are slowed down.
func briefly(q api.Query) string {
	r := q.ServedBy
	if r != nil {
		plain := *r
		plain.Paced = false
		r = &plain
	}
	return inOneLine(q, ranOn(r))
}

func inOneLine(q api.Query, where string) string {
	switch {
	case q.Result != nil:
		parts := []string{
			answer(q.Result), q.Model, "on " + where, took(q), pricing.Dollars(q.CostUSD*1e6) + " per million queries", q.ID,
		}
		return cli.OneLine(strings.Join(parts, " · "))
	case q.Failure != nil:
		return cli.OneLine(fmt.Sprintf("%s: %s (%s) · %s", q.State, q.Failure.Detail, q.Failure.Code, q.ID))
	case q.State.Terminal():
		return fmt.Sprintf("%s · %s", q.State, q.ID)
	}
	return cli.OneLine(fmt.Sprintf("%s, not answered yet · `paragon get --wait 60 %s` waits for the answer", q.State, q.ID))
}

// answer is the best label and its score in percent; or the numbers of a result
// without classes.
func answer(r *query.Result) string {
	switch {
	case r.Label == "" && len(r.Embedding) > 0:
		return fmt.Sprintf("a vector of %d numbers", len(r.Embedding))
	case len(r.Outputs) > 0 && r.Label == "" && len(r.Top) == 0:
		return outputs(r.Outputs)
	}
	label, between := cmp.Or(r.Label, strconv.Itoa(r.Index)), " "
	if _, err := strconv.ParseFloat(label, 64); err == nil { // a label that is a number would read as the score
		label, between = "class "+label, ": "
	}
	if len(r.Top) == 0 {
		return label
	}
	return fmt.Sprintf("%s%s%.1f %%", label, between, 100*r.Best())
}

const (
	// mostOutputs and mostValues bound what is printed of a result in its line: how many
	// outputs, and how many characters of one's values.
	mostOutputs = 3
	mostValues  = 60
)

// outputs are a model's own outputs with their values.
func outputs(all []tensors.Tensor) string {
	parts := make([]string, 0, len(all))
	for _, t := range all[:min(len(all), mostOutputs)] {
		values, ok := t.AppendData(nil)
		if !ok {
			values = fmt.Appendf(nil, "%v", t.Shape)
		}
		parts = append(parts, t.Name+" "+shortened(string(values), mostValues))
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more outputs", more))
	}
	return strings.Join(parts, ", ")
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

// totals is what became of several files.
type totals struct {
	files, answered, late int
	on                    map[query.RunnerKind]int
	times                 []time.Duration // from acceptance to the answer
	costUSD               float64
	paced                 bool
}

func (a *totals) add(s submitted) {
	a.files++
	if s.Query == nil || s.Result == nil {
		return
	}
	a.answered++
	a.costUSD += s.CostUSD
	a.times = append(a.times, time.Duration(orZero(s.LatencyMS)*float64(time.Millisecond)))
	if s.Missed() {
		a.late++
	}
	if r := s.ServedBy; r != nil {
		if a.on == nil {
			a.on = map[query.RunnerKind]int{}
		}
		a.on[r.Kind]++
		a.paced = a.paced || r.Paced
	}
}

// line says it in a line; at least one file was answered.
func (a *totals) line() string {
	ms := measure.Percentiles(a.times)
	text := fmt.Sprintf("%d of %d answered: %d on workers, %d on functions, %d late; latency %s at p50, %s at p99; %s per million queries",
		a.answered, a.files, a.on[query.OnWorker], a.on[query.OnFunction], a.late,
		cli.Milliseconds(ms.P50), cli.Milliseconds(ms.P99), pricing.Dollars(a.costUSD/float64(a.answered)*1e6))
	if a.paced {
		text += "; the models are slowed down to the service times of their profiles"
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
	query.StepDeclined: "declined by",
	query.StepReturned: "returned to",
	query.StepRetried:  "a run failed on",
	query.StepRedriven: "put back on",
	query.StepRan:      "ran on",
}

// storyIndent is where the text of a step begins.
const storyIndent = 14

// story describes a trail in words, a line a step, with the time since acceptance.
func story(q api.Query) string {
	var b strings.Builder
	for _, s := range q.Trail {
		ms := query.Milliseconds(s.At.Sub(q.AcceptedAt))
		event := cmp.Or(events[s.Event], string(s.Event))
		text := event + " " + path.Base(s.Where)
		if s.Why != "" {
			text += ": " + s.Why
		}
		b.WriteString(cli.Wrap(fmt.Sprintf("  %10s  %s", "+"+cli.Milliseconds(ms), text), storyIndent) + "\n")
	}
	return b.String()
}
