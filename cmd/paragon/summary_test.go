package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// A step names where a query was sent on to, or where it failed: the words
// must not turn one into the other.
func TestStoryReportsWhereItWent(t *testing.T) {
	at := time.Unix(1000, 0)
	q := api.Query{AcceptedAt: at, Trail: query.Trail{
		{At: at, Event: query.StepReturned, Where: "work-strict-general", Why: "throttled"},
		{At: at, Event: query.StepRetried, Where: "w-1", Why: "model fault"},
	}}
	for _, want := range []string{"returned to work-strict-general: throttled", "a run failed on w-1: model fault"} {
		if got := story(q); !strings.Contains(got, want) {
			t.Errorf("%q is not in the story:\n%s", want, got)
		}
	}
}

// The second class of a step has the columns of the first, so that all lines stay aligned.
func TestEveryLineOfAHistoryHasAllColumns(t *testing.T) {
	past := api.Series{Answered: []int64{3, 3}, Failed: []int64{0, 0}, Expired: []int64{0, 0}, Refused: []int64{0, 0}, Met: []int64{3, 3}, Overflowed: []int64{0, 0}, P50: []float64{1, 1}, P95: []float64{1, 1}, P99: []float64{1, 1}}
	term := newTerminal(t, http.NotFoundHandler())
	w := term.Table()
	printPast(w, api.History{AtUnixSeconds: []int64{60, 120}, WorkersReady: []float64{1, 1}, CostUSD: []float64{1, 1}, Classes: map[query.Class]api.Series{query.Strict: past, query.Relaxed: past}})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(term.Out.String(), "\n")
	for _, line := range []string{lines[1], lines[3]} { // the lines between have neither workers nor cost
		if got, want := strings.Index(line, "$"), strings.Index(lines[0], "COST"); got != want {
			t.Errorf("the cost is at column %d, want %d:\n%s", got, want, &term.Out)
		}
	}
}

// Several files add up to a line: how many were answered, where, how many late, and how fast.
func TestSeveralFilesAddUp(t *testing.T) {
	at := time.Unix(1000, 0)
	var all totals
	for i, kind := range []query.RunnerKind{query.OnWorker, query.OnWorker, query.OnFunction} {
		ms, met := float64(10*(i+1)), i < 2
		all.add(ended("a.png", api.Query{
			State: query.Succeeded, AcceptedAt: at, DeadlineAt: at.Add(25 * time.Millisecond), LatencyMS: &ms, MetSLO: &met,
			Result: &query.Result{Label: "boot"}, CostUSD: 2e-6, ServedBy: &query.Runner{Kind: kind, Paced: true},
		}))
	}
	all.add(refused("b.png", errors.New("no picture")))
	got := all.line()
	for _, want := range []string{"3 of 4 answered", "2 on workers", "1 on functions", "1 late", "20.0 ms at p50", "30.0 ms at p99", "$2.00 per million", "slowed down"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

// A result without classes is its numbers, and not a class.
func TestAResultIsWhatTheModelGives(t *testing.T) {
	for want, r := range map[string]query.Result{
		"boot":                    {Label: "boot"},
		"class 3":                 {Index: 3},
		"class 0: 90.0 %":         {Label: "0", Top: []query.Score{{Label: "0", Score: 0.9}}},
		"variable [166.5]":        {Outputs: []tensors.Tensor{tensors.FromFloats("variable", []int64{1, 1}, []float32{166.5})}},
		"boot 90.0 %":             {Label: "boot", Top: []query.Score{{Score: 0.9}}, Outputs: []tensors.Tensor{{Name: "x"}}},
		"a vector of 384 numbers": {Embedding: make([]float32, 384)},
		"a [1], b [1], c [1], and 1 more outputs": {Outputs: []tensors.Tensor{
			tensors.FromFloats("a", nil, []float32{1}), tensors.FromFloats("b", nil, []float32{1}), tensors.FromFloats("c", nil, []float32{1}), tensors.FromFloats("d", nil, []float32{1}),
		}},
	} {
		if got := answer(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	long := query.Result{Outputs: []tensors.Tensor{tensors.FromFloats("y", []int64{1000}, make([]float32, 1000))}}
	if got := answer(&long); len(got) > 80 {
		t.Errorf("%d characters: %s", len(got), got)
	}
}

// Long reasons are whole, on several lines.
func TestALongReasonOfAStepIsWrapped(t *testing.T) {
	at := time.Unix(1000, 0)
	why := strings.Repeat("reason ", 16) + "end"
	got := story(api.Query{AcceptedAt: at, Trail: query.Trail{}.Add(query.Step{At: at, Event: query.StepRetried, Where: "w-1", Why: why})})
	if strings.Join(strings.Fields(got), " ") != "+0.00 ms a run failed on w-1: "+why {
		t.Errorf("%s", got)
	}
	for line := range strings.Lines(got) {
		if len(line) > 121 {
			t.Errorf("%d characters in %q", len(line), line)
		}
	}
}
