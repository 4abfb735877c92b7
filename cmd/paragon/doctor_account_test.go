package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
)

// tuned is a stage with some settings, and the seconds since its ticks.
type tuned struct {
	values map[string]float64
	ago    []float64
	now    time.Time
}

func (s tuned) Settings(context.Context) (out api.Settings, _ error) {
	for name, v := range s.values {
		out.Settings = append(out.Settings, api.Setting{Name: name, Value: strconv.FormatFloat(v, 'g', -1, 64)})
	}
	return out, nil
}

func (s tuned) Decisions(context.Context, api.DecisionQuery) (out []api.Decision, _ error) {
	for _, seconds := range s.ago {
		out = append(out, api.Decision{At: s.now.Add(-time.Duration(seconds * float64(time.Second)))})
	}
	return out, nil
}

func levels(found []finding) (out []checkup.Level) {
	for _, f := range found {
		out = append(out, f.Level)
	}
	return out
}

func TestGapsBetweenTicksAreFound(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tc := range []struct {
		ago  []float64
		want checkup.Level
	}{
		{[]float64{3, 13, 23, 33}, checkup.OK}, {[]float64{13, 63, 73, 123}, checkup.OK}, {[]float64{3, 13, 95}, checkup.Warning}, {[]float64{90, 100}, checkup.Warning}, {nil, checkup.Fault},
	} {
		found, err := checkTicks(t.Context(), tuned{map[string]float64{"tick_seconds": 10}, tc.ago, now}, "general", now)
		if err != nil || !slices.Equal(levels(found), []checkup.Level{tc.want}) {
			t.Errorf("%v: %+v, %v", tc.ago, found, err)
		}
	}
}

// oracle answers queries: each takes the given ms, the first on a cold function.
type oracle struct {
	kinds []query.RunnerKind // of the strict ones, in turn
	err   error
	at    *time.Time
	asked []client.Submission
	have  []api.Model // nil means a task of pictures
	fails string      // the task whose queries fail
}

func (o *oracle) Models(context.Context) ([]api.Model, error) {
	if o.have != nil {
		return o.have, nil
	}
	return []api.Model{{Name: "figures", Task: "other"}, {Name: "cnn", Task: "fashion", Takes: profile.Picture, Input: &profile.Input{Width: 28, Height: 28, Channels: 1}}}, nil
}

func (o *oracle) Submit(_ context.Context, s client.Submission, _ client.Options) (api.Query, error) {
	o.asked = append(o.asked, s)
	if o.err != nil {
		return api.Query{}, o.err
	}
	if s.Task == o.fails && s.Task != "" {
		return api.Query{ID: "1", State: query.Failed, Failure: &query.Failure{Code: query.BadInput, Detail: "cannot answer zeros"}}, nil
	}
	ms, compute, first := 60.0, 10.0, len(o.asked) == 1
	if first {
		ms = 900
	}
	*o.at = o.at.Add(time.Duration(ms * float64(time.Millisecond)))
	kind := query.OnWorker
	if s.Class == query.Strict {
		kind = o.kinds[(len(o.asked)-1)%len(o.kinds)]
	}
	return api.Query{ID: "1", State: query.Succeeded, ComputeMS: &compute, ServedBy: &query.Runner{Kind: kind, Name: "here", Cold: first}}, nil
}

func (o *oracle) Await(_ context.Context, q api.Query, _ time.Duration) (api.Query, error) {
	return q, nil
}

// failing fails every query.
type failing struct{ oracle }

func (f *failing) Await(_ context.Context, q api.Query, _ time.Duration) (api.Query, error) {
	return api.Query{ID: q.ID, State: query.Failed, Failure: &query.Failure{Code: query.NoCapacity, Detail: "no worker came"}}, nil
}

// A relaxed query that has failed is reported with its failure.
func TestARelaxedQueryThatFails(t *testing.T) {
	at := time.Unix(1e9, 0)
	got := asker{&failing{oracle{at: &at}}, func() time.Time { return at }, true}.relaxed(t.Context(), client.Submission{})
	if got.Level != checkup.Warning || !strings.Contains(got.Found, "no_capacity: no worker came") || !strings.Contains(got.Do, "min_workers") {
		t.Errorf("%+v", got)
	}
}

// The first queries are timed by path, without the model's own time and without cold
// starts, and compared with the settings; a path that none went by is said.
func TestPathsAreTimed(t *testing.T) {
	set := tuned{values: map[string]float64{"path_ms": 45, "overflow_path_ms": 150}}
	for _, tc := range []struct {
		name  string
		kinds []query.RunnerKind
		want  []checkup.Level // cold start, relaxed, worker, function at once, function by the queue
		found string
	}{
		{"functions alone", []query.RunnerKind{query.OnFunction}, []checkup.Level{checkup.OK, checkup.OK, checkup.Warning, checkup.OK, checkup.OK}, "median 50 ms"},
		{"a slow worker", []query.RunnerKind{query.OnWorker}, []checkup.Level{checkup.OK, checkup.OK, checkup.Warning, checkup.Warning, checkup.Warning}, "path_ms assumes 45"},
		{"both", []query.RunnerKind{query.OnFunction, query.OnFunction, query.OnWorker, query.OnWorker}, []checkup.Level{checkup.OK, checkup.OK, checkup.Warning, checkup.OK, checkup.OK}, "900 ms"},
	} {
		at := time.Unix(1e9, 0)
		o := &oracle{kinds: tc.kinds, at: &at}
		found, err := asker{o, func() time.Time { return at }, true}.checkPaths(t.Context(), set)
		if err != nil || !slices.Equal(levels(found), tc.want) {
			t.Errorf("%s: %+v, %v", tc.name, found, err)
		}
		if !slices.ContainsFunc(found, func(f finding) bool { return strings.Contains(f.Found, tc.found) }) {
			t.Errorf("%s: nothing says %q: %+v", tc.name, tc.found, found)
		}
		if len(o.asked) != 2*strictAsked+1 || o.asked[0].Task != "fashion" || o.asked[0].Input.ContentType != "image/png" {
			t.Errorf("%s: asked %+v", tc.name, o.asked)
		}
	}
	at := time.Unix(1e9, 0)
	found, err := asker{&oracle{err: errors.New("no library"), at: &at}, func() time.Time { return at }, true}.checkPaths(t.Context(), set)
	if err != nil || !slices.Equal(levels(found), []checkup.Level{checkup.Fault}) {
		t.Errorf("%+v, %v", found, err)
	}
}

// Every task is asked a query that its model can answer: of tensors in the shape and the type
// of its signature. That one which takes no zeros fails is no fault of the stage.
func TestEveryTaskIsAsked(t *testing.T) {
	iris := api.Model{Name: "forest", Task: "iris", Takes: profile.TensorsIn, Signature: &profile.Signature{Inputs: []tensors.Spec{{Name: "x", Datatype: tensors.FP32, Shape: []int64{-1, 4}}}}}
	mail := api.Model{Name: "bert", Task: "mail", Takes: profile.TextIn}
	for name, tc := range map[string]struct {
		have  []api.Model
		fails string
		asked map[string]int
		worst checkup.Level
	}{
		"tensors alone":           {[]api.Model{iris}, "", map[string]int{"iris": 2*strictAsked + 1}, checkup.OK},
		"texts alone":             {[]api.Model{mail}, "", map[string]int{"mail": 2*strictAsked + 1}, checkup.OK},
		"both":                    {[]api.Model{iris, mail, {Name: "bert-2", Task: "mail", Takes: profile.TextIn}}, "", map[string]int{"mail": 2*strictAsked + 1, "iris": 1}, checkup.OK},
		"tensors that fail":       {[]api.Model{mail, iris}, "iris", map[string]int{"mail": 2*strictAsked + 1, "iris": 1}, checkup.Warning},
		"only tensors, that fail": {[]api.Model{iris}, "iris", map[string]int{"iris": 1}, checkup.Warning},
		"texts that fail":         {[]api.Model{mail, iris}, "mail", map[string]int{"mail": 1}, checkup.Fault},
	} {
		at := time.Unix(1e9, 0)
		o := &oracle{kinds: []query.RunnerKind{query.OnFunction}, at: &at, have: tc.have, fails: tc.fails}
		found, err := asker{o, func() time.Time { return at }, true}.checkPaths(t.Context(), tuned{values: map[string]float64{"path_ms": 900, "overflow_path_ms": 900}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		asked := map[string]int{}
		for _, s := range o.asked {
			asked[s.Task]++
			if s.Task == "iris" {
				if in, err := tensors.Unpack(s.Input.Data); err != nil || s.Input.ContentType != tensors.ContentType || len(in) != 1 || !slices.Equal(in[0].Shape, []int64{1, 4}) || len(in[0].Data) != 16 {
					t.Errorf("%s: %+v, %v", name, in, err)
				}
			}
		}
		found = slices.DeleteFunc(found, func(f finding) bool { return strings.HasPrefix(f.Found, "no query was answered by a worker") })
		worst := checkup.OK
		for _, f := range found {
			if f.Level == checkup.Fault || f.Level == checkup.Warning && worst != checkup.Fault {
				worst = f.Level
			}
		}
		if !maps.Equal(asked, tc.asked) || worst != tc.worst {
			t.Errorf("%s: asked %v; %+v", name, asked, found)
		}
	}
}

// The page on deploying lists what no test shows without an account, and for each line
// the check by which doctor does.
func TestEveryUntriedLineHasACheck(t *testing.T) {
	page, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "## Not yet verified in an account")
	if !found {
		t.Fatal("the page has no such section")
	}
	known := []string{"server", "ticks", "paths"}
	for _, c := range (checkup.Account{}).Checks() {
		known = append(known, c.Name)
	}
	for _, f := range checkup.Untried("dev") {
		known = append(known, f.Check)
	}
	var listed []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[1]), "`")
		if listed = append(listed, name); !slices.Contains(known, name) {
			t.Errorf("doctor has no check %q", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(listed, name) {
			t.Errorf("the table has no line for the check %q", name)
		}
	}
}
