package chaos

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

const second = time.Second

// strict is an accepted strict query of a bound of a second, by when it was sent and done.
func strict(sent, done time.Duration, change func(*load.Row)) load.Row {
	r := load.Row{Sent: sent, Done: done, Shot: load.Shot{Class: query.Strict, LatencyMS: 1000},
		Answer: load.Answer{Accepted: true, State: query.Succeeded, MetSLO: true, Took: done - sent}}
	if change != nil {
		change(&r)
	}
	return r
}

func TestJudge(t *testing.T) {
	state := func(s query.State) func(*load.Row) {
		return func(r *load.Row) { r.Answer.State, r.Shot.Class = s, query.Relaxed }
	}
	killed := []Injected{{Kind: KillWorker, From: 10 * second, Until: 10 * second}}
	// Of the functions' processor time, in the minute from 100 s on.
	functions := func(ran, waited time.Duration) (out []sample) {
		for i := range 60 {
			out = append(out, sample{time.Duration(101+i) * second, processorTime{ran / 60, waited / 60}})
		}
		return out
	}
	expired := []load.Row{strict(100*second, 160*second, state(query.Expired))}
	full := []Injected{{Kind: FullDisk, From: 10 * second, Until: 14 * second}}
	for name, tc := range map[string]struct {
		seen observed
		want Promises
	}{
		"kept":    {observed{rows: []load.Row{strict(0, second, nil)}}, Promises{Accepted: 1, Strict: 1, StrictKeptPercent: 100}},
		"lost":    {observed{rows: []load.Row{strict(0, second, state(query.Accepted))}}, Promises{Accepted: 1, Lost: 1, StrictKeptPercent: 100}},
		"expired": {observed{rows: []load.Row{strict(0, second, state(query.Expired))}}, Promises{Accepted: 1, Expired: 1, StrictKeptPercent: 100}},
		"expired, and functions had a tenth of the processor time that they wanted": {observed{rows: expired, functions: functions(6*second, 54*second)},
			Promises{Accepted: 1, Expired: 1, StrictKeptPercent: 100}},
		"expired, and functions had less": {observed{rows: expired, functions: functions(6*second, 60*second)},
			Promises{Accepted: 1, Expired: 1, ExpiredStarved: 1, StrictKeptPercent: 100}},
		"expired, and functions waited for less than half of its time": {observed{rows: expired, functions: functions(0, 29*second)},
			Promises{Accepted: 1, Expired: 1, StrictKeptPercent: 100}},
		"expired, and functions waited before and after": {observed{rows: []load.Row{strict(0, 60*second, state(query.Expired)), strict(200*second, 260*second, state(query.Expired))},
			functions: functions(0, 60*second)}, Promises{Accepted: 2, Expired: 2, StrictKeptPercent: 100}},
		"answered, and functions had no processor time": {observed{rows: []load.Row{strict(100*second, 101*second, nil)}, functions: functions(0, 60*second)},
			Promises{Accepted: 1, Strict: 1, StrictKeptPercent: 100}},
		"failed":      {observed{rows: []load.Row{strict(0, second, state(query.Failed))}}, Promises{Accepted: 1, Failed: 1, StrictKeptPercent: 100}},
		"never taken": {observed{rows: []load.Row{{Answer: load.Answer{Fault: "HTTP 503"}}}}, Promises{StrictKeptPercent: 100}},
		"two ends":    {observed{changed: map[string]string{"q": "it is another"}}, Promises{Double: 1, StrictKeptPercent: 100}},
		"another answer": {observed{rows: []load.Row{strict(0, second, func(r *load.Row) { r.Answer.Repeat = load.OtherAnswer })}},
			Promises{Accepted: 1, Strict: 1, Repeats: 1, RepeatsDiffering: 1, StrictKeptPercent: 100}},
		"late by the prober's clock": {observed{rows: []load.Row{strict(0, 2*second, nil), strict(0, second, nil)}},
			Promises{Accepted: 2, Strict: 2, StrictLate: 1, StrictKeptPercent: 50}},
		"refused first, then in time": {observed{rows: []load.Row{strict(0, 9*second, func(r *load.Row) { r.Answer.Took = second })}},
			Promises{Accepted: 1, Strict: 1, StrictKeptPercent: 100}},
		"late by its record": {observed{rows: []load.Row{strict(0, second, func(r *load.Row) { r.Shot.Async, r.Answer.MetSLO = true, false })}},
			Promises{Accepted: 1, Strict: 1, StrictLate: 1}},
		"read late, in time by its record": {observed{rows: []load.Row{strict(0, 9*second, func(r *load.Row) { r.Shot.Async = true })}},
			Promises{Accepted: 1, Strict: 1, StrictKeptPercent: 100}},
		"late, in the hands of a killed process": {observed{faults: killed, rows: []load.Row{strict(9*second, 11*second, nil)}},
			Promises{Accepted: 1, Strict: 1, StrictLate: 1, StrictInHands: 1, StrictKeptPercent: 100}},
		"late, sent after the kill": {observed{faults: killed, rows: []load.Row{strict(11*second, 13*second, nil)}},
			Promises{Accepted: 1, Strict: 1, StrictLate: 1}},
		"late, directly, while the disk was full": {observed{faults: full, rows: []load.Row{strict(11*second, 13*second, nil)}},
			Promises{Accepted: 1, Strict: 1, StrictLate: 1}},
		"late, queued, while the disk was full": {observed{faults: full, rows: []load.Row{strict(11*second, 13*second, func(r *load.Row) { r.Answer.Stored = true })}},
			Promises{Accepted: 1, Strict: 1, StrictLate: 1, StrictInHands: 1, StrictKeptPercent: 100}},
		"errors in a fault": {observed{faults: full, bad: []exchange{{11 * second, 503}, {14 * second, 0}}},
			Promises{ServerErrors: map[int]int{503: 1}, NoAnswer: 1, StrictKeptPercent: 100}},
		"an error after a fault": {observed{faults: full, bad: []exchange{{34 * second, 500}}},
			Promises{ServerErrors: map[int]int{500: 1}, LatestErrorSeconds: 20, StrictKeptPercent: 100}},
		"an error without a fault": {observed{bad: []exchange{{34 * second, 500}}},
			Promises{ServerErrors: map[int]int{500: 1}, LatestErrorSeconds: 34, StrictKeptPercent: 100}},
		"an error at the time of a fault that was not injected": {observed{faults: []Injected{{Kind: FullDisk, From: 30 * second, Until: 30 * second, Skipped: "no root"}},
			bad: []exchange{{34 * second, 500}}}, Promises{ServerErrors: map[int]int{500: 1}, LatestErrorSeconds: 34, StrictKeptPercent: 100}},
	} {
		if tc.want.ServerErrors == nil {
			tc.want.ServerErrors = map[int]int{}
		}
		if d := cmp.Diff(tc.want, judge(tc.seen)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Each promise that is broken is named, and nothing else is.
func TestBroken(t *testing.T) {
	good := Promises{Accepted: 100, Strict: 50, StrictKeptPercent: 99, LatestErrorSeconds: 15, StrictLate: 5, StrictInHands: 5, NoAnswer: 3, Expired: 2, ExpiredStarved: 2}
	if b := good.Broken(99); len(b) > 0 {
		t.Errorf("kept, and broken: %v", b)
	}
	for word, change := range map[string]func(*Promises){
		"proves nothing": func(p *Promises) { p.Accepted = 0 },
		"lost":           func(p *Promises) { p.Lost = 1 },
		"ended twice":    func(p *Promises) { p.Double = 1 },
		"repeats":        func(p *Promises) { p.RepeatsDiffering = 1 },
		"expired":        func(p *Promises) { p.Expired, p.ExpiredStarved = 6, 5 },
		"failed":         func(p *Promises) { p.Failed = 1 },
		"objective":      func(p *Promises) { p.StrictKeptPercent = 98.9 },
		"error":          func(p *Promises) { p.LatestErrorSeconds = 15.1 },
	} {
		bad := good
		change(&bad)
		if b := bad.Broken(99); len(b) != 1 || !strings.Contains(b[0], word) {
			t.Errorf("%s: %v", word, b)
		}
	}
}

// The page and the text have the counts, what was not done, and the verdict.
func TestReport(t *testing.T) {
	r := newReport(Config{Length: 2 * time.Minute, Seed: 7, Objective: 99}, observed{
		rows:    []load.Row{strict(0, second, nil), strict(0, second, func(r *load.Row) { r.Answer.State = query.Accepted })},
		faults:  []Injected{{Kind: KillWorker, From: second, Until: second}, {Kind: FullDisk, Skipped: "no root"}, {Kind: FullDisk, Skipped: "no root"}},
		changed: map[string]string{"q1": "it was succeeded and is failed"},
	}, load.Report{})
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{text.String(), r.Page()} {
		for _, want := range []string{"kill a worker", "0; 2 not done: no root", "1 accepted queries were lost", "1 queries ended twice"} {
			if !strings.Contains(printed, want) {
				t.Errorf("without %q:\n%s", want, printed)
			}
		}
	}
	if !strings.Contains(text.String(), "q1: it was succeeded and is failed") {
		t.Errorf("the query is not named:\n%s", &text)
	}
	if kept := (Report{}).verdict(); !strings.Contains(kept, "kept") {
		t.Errorf("verdict %q", kept)
	}
}

// What functions had of the processor is read of their processes, each since its last sample.
func TestWatchedFunctions(t *testing.T) {
	self := os.Getpid()
	_, err := os.Stat("/proc/self/schedstat")
	counts := err == nil // else this system counts no processor time of threads
	var w watchedFunctions
	w.add(second, []int{self, -1})
	w.add(2*second, []int{self})
	if first, next, all := w.samples[0].ran, w.samples[1].ran, w.last[self].ran; counts != (first > 0) || next < 0 || first+next != all {
		t.Errorf("%v, then %v, of %v", first, next, all)
	}
	w.add(3*second, nil)
	if w.samples[2] != (sample{at: 3 * second}) {
		t.Errorf("without processes: %+v", w.samples[2])
	}
}

// A run in which a kind of fault never came fails, and says which and why: of that kind it
// shows nothing.
func TestARunWithoutAKindOfFaultFails(t *testing.T) {
	var all []Injected
	for _, k := range Kinds() {
		all = append(all, Injected{Kind: k, From: second, Until: second})
	}
	run := func(faults []Injected) []string {
		return newReport(Config{Objective: 99}, observed{faults: faults, rows: []load.Row{strict(0, second, nil)}}, load.Report{}).Broken
	}
	if b := run(all); len(b) > 0 {
		t.Errorf("every kind came, and: %v", b)
	}
	for i, f := range all {
		others := append(append([]Injected{}, all[:i]...), all[i+1:]...)
		if b := run(others); len(b) != 1 || !strings.Contains(b[0], string(f.Kind)) {
			t.Errorf("without %s: %v", f.Kind, b)
		}
		skipped := Injected{Kind: f.Kind, Skipped: "it needs root"}
		if b := run(append(others, skipped)); len(b) != 1 || !strings.Contains(b[0], string(f.Kind)) || !strings.Contains(b[0], "it needs root") {
			t.Errorf("%s was not done: %v", f.Kind, b)
		}
		if b := run(append(all, skipped)); len(b) > 0 {
			t.Errorf("%s came once of two times, and: %v", f.Kind, b)
		}
	}
}

// The objective counts, and the one for a busy machine where the prober could not send in time.
func TestWhichObjectiveCounts(t *testing.T) {
	for lateMS, want := range map[float64]float64{0: 99, 2: 99, 19.9: 99, 20: 90, 158: 90} {
		r := newReport(Config{Objective: 99, BusyObjective: 90}, observed{}, load.Report{LateMS: lateMS})
		if r.Objective != want {
			t.Errorf("sent %v ms late: the objective is %v, want %v", lateMS, r.Objective, want)
		}
		r.Promises = Promises{Accepted: 100, Strict: 100, StrictKeptPercent: 95}
		if broken := len(r.Promises.Broken(r.Objective)) > 0; broken != (want > 95) {
			t.Errorf("sent %v ms late: broken %v", lateMS, broken)
		}
	}
}
