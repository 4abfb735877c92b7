package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
)

// Findings of queues come in the same order each time.
func TestQueuesAreCheckedInOrder(t *testing.T) {
	s := api.Status{Queues: map[string]api.QueueStatus{"dead-letters": {Visible: 1}, "overflow": {}}}
	for _, name := range []string{"work-strict-a", "work-relaxed-a", "work-strict-b"} {
		s.Queues[name] = api.QueueStatus{OldestMS: 2 * oldMS}
	}
	want := []string{"dead letters", "queue work-relaxed-a", "queue work-strict-a", "queue work-strict-b"}
	for range 10 {
		var got []string
		for _, f := range checkQueues(s) {
			name, _, _ := strings.Cut(f.Found, ":")
			got = append(got, name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// A scheme whose simulated cost is known exactly is no plain function.
func TestASimulatedCostIsNamedAsOne(t *testing.T) {
	exact := api.SchemeCost{Scheme: "reactive", Simulated: true, CostUSD: 2, LowUSD: 2, HighUSD: 2}
	if got := comparedWith(exact, 1); strings.Contains(got, "plain function") || !strings.Contains(got, "reactive") {
		t.Error(got)
	}
	if got := comparedWith(api.SchemeCost{Scheme: "plain function", CostUSD: 2, LowUSD: 2, HighUSD: 2}, 9000); !strings.Contains(got, "4500 times as much") {
		t.Error(got)
	}
	if got := comparedWith(api.SchemeCost{Scheme: "plain function", CostUSD: 2, LowUSD: 2, HighUSD: 2}, 1); !strings.Contains(got, "plain function") {
		t.Error(got)
	}
}

// Bounds that were missed by failing lead to the list of the reasons.
func TestFailedQueriesAreNamedWhereBoundsAreMissed(t *testing.T) {
	attained := 98.0
	for failed, named := range map[int64]bool{0: false, 5: true} {
		c := api.ClassStatus{Recent: 250, Met: 245, Attainment: &attained, Traffic: api.Traffic{Hour: api.Load{Failed: failed}}}
		got := checkBounds(api.Status{Classes: map[query.Class]api.ClassStatus{query.Relaxed: c}})
		if advice := got[len(got)-1].Do; strings.Contains(advice, "--state failed") != named {
			t.Errorf("%d failed: %s", failed, advice)
		}
	}
}

// A model that gets no queries is a fault, and one whose runs fail somewhere a warning.
func TestModelsThatCannotRunAreFound(t *testing.T) {
	broken := api.BrokenModel{Open: breaker.Open{Model: "pine", Why: "out of memory"}, Kind: query.OnWorker, Name: "w-1"}
	for name, c := range map[string]struct {
		status api.Status
		level  checkup.Level
		words  []string
	}{
		"none":     {api.Status{}, checkup.OK, nil},
		"withheld": {api.Status{Withheld: []api.WithheldModel{{Model: "oak", Why: "its file is missing"}}}, checkup.Fault, []string{"oak", "file is missing"}},
		"broken":   {api.Status{Broken: []api.BrokenModel{broken}}, checkup.Warning, []string{"pine", "w-1", "out of memory"}},
	} {
		got := checkModels(c.status)
		if len(got) != 1 || got[0].Level != c.level {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(got[0].Found, word) {
				t.Errorf("%s: %q does not name %q", name, got[0].Found, word)
			}
		}
	}
}

// Workers that ended unexpectedly are in the status and a warning of the doctor's.
func TestUnexpectedEndsOfWorkersAreNamed(t *testing.T) {
	e := api.WorkersEnded{Count: 3, Minutes: 10, At: time.Unix(1000, 0), Worker: "w-1", Why: "exit status 2: SIGFPE: floating-point exception"}
	s := api.Status{Pools: []api.PoolStatus{{Name: "general", Ready: 1}}, BackendStatus: api.BackendStatus{WorkersEnded: &e}}
	got := checkPools(s)
	if last := got[len(got)-1]; len(got) != 2 || !strings.Contains(last.Found, "10 min: 3;") || !strings.Contains(last.Found, "w-1") || !strings.Contains(last.Found, "SIGFPE") {
		t.Errorf("%+v", got)
	}
	s.WorkersEnded = nil
	if got := checkPools(s); len(got) != 1 {
		t.Errorf("without one: %+v", got)
	}
}

// A worker that is stuck is named by the doctor and in the status.
func TestStuckWorkersAreNamed(t *testing.T) {
	s := api.Status{Pools: []api.PoolStatus{{Name: "general", Ready: 1, Stuck: 1}}}
	s.Desired = map[string]int{"general": 2}
	if got := checkPools(s); len(got) != 1 || got[0].Level != checkup.Warning || !strings.Contains(got[0].Found, "ready: 1, booting: 0, stuck: 1") {
		t.Errorf("%+v", got)
	}
	var out strings.Builder
	if err := printStatus(cli.New(nil, &out, &out, func(string) string { return "" }), s); err != nil || !strings.Contains(out.String(), "1, stuck: 1") {
		t.Errorf("%s, error %v", out.String(), err)
	}
}

// A pool whose fixed number of workers is none is a warning: nothing starts any.
func TestAFixedFleetWithoutWorkersIsFound(t *testing.T) {
	for fleet, want := range map[string]checkup.Level{settings.FleetFixed: checkup.Warning, settings.FleetMoving: checkup.OK} {
		s := api.Status{Pools: []api.PoolStatus{{Name: "general"}}, Fleet: fleet}
		s.Desired = map[string]int{"general": 0}
		if got := checkPools(s); len(got) != 1 || got[0].Level != want {
			t.Errorf("%s: %+v", fleet, got)
		}
	}
}

// Refused queries are in the status, a warning of the doctor's, and a row of the history even
// where no other query ended, as are those with bad input, which a stage of an earlier version
// does not count.
func TestRefusedQueriesAreNamed(t *testing.T) {
	s := api.Status{Classes: map[query.Class]api.ClassStatus{}}
	if got := checkBounds(s); len(got) != 2 || refusedLine(s) != "" {
		t.Errorf("none was refused: %q, %+v", refusedLine(s), got)
	}
	s.Classes[query.Relaxed] = api.ClassStatus{Traffic: api.Traffic{Hour: api.Load{Refused: 10}}}
	if got := checkBounds(s); got[len(got)-1].Level != checkup.Warning || !strings.Contains(got[len(got)-1].Found, "10 relaxed") {
		t.Errorf("%+v", got)
	}
	var out strings.Builder
	term := cli.New(nil, &out, &out, func(string) string { return "" })
	if err := printStatus(term, s); err != nil || !strings.Contains(out.String(), "10 relaxed queries in the last hour, for lack of capacity") {
		t.Errorf("%s, error %v", out.String(), err)
	}
	out.Reset()
	none := []int64{0}
	h := api.History{AtUnixSeconds: []int64{60}, WorkersReady: []float64{0}, CostUSD: []float64{0}, Classes: map[query.Class]api.Series{
		query.Relaxed: {Answered: none, Failed: none, Expired: none, Refused: []int64{10}, Met: none, Overflowed: none, P50: []float64{0}, P95: []float64{0}, P99: []float64{0}},
		query.Strict:  {Answered: none, Failed: none, Expired: none, BadInput: []int64{7}, Refused: none, Met: none, Overflowed: none, P50: []float64{0}, P95: []float64{0}, P99: []float64{0}},
	}}
	w := term.Table()
	printPast(w, h)
	if err := w.Flush(); err != nil || !strings.Contains(out.String(), "REFUSED") || strings.Count(out.String(), "\n") != 3 || !strings.Contains(out.String(), " 10 ") || !strings.Contains(out.String(), " 7 ") {
		t.Errorf("%s, error %v", out.String(), err)
	}
}

func TestTheStatusNamesTheSchemeAndTheFleet(t *testing.T) {
	for fleet, want := range map[string]string{settings.FleetMoving: "follows", settings.FleetFixed: "does not change"} {
		var out strings.Builder
		term := cli.New(nil, &out, &out, func(string) string { return "" })
		if err := printStatus(term, api.Status{Scheme: "mixed", Fleet: fleet}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "scheme    mixed; the number of workers "+want) {
			t.Errorf("%s:\n%s", fleet, out.String())
		}
	}
}
