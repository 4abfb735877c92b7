package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/rollout"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// chain is y = x multiplied by a matrix, again and again; x has 64 elements.
func chain(times int) enginetest.Graph {
	const width = 64
	matrix := enginetest.Weight{Name: "w", Shape: []int64{width, width}, Data: make([]float32, width*width)}
	for i := range width {
		matrix.Data[i*width+i] = 1
	}
	g := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, width}}},
		Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, width}}},
		Weights: []enginetest.Weight{matrix},
	}
	in := "x"
	for i := range times {
		out := fmt.Sprint("h", i)
		g.Nodes = append(g.Nodes, enginetest.Node{Op: "MatMul", Inputs: []string{in, "w"}, Outputs: []string{out}})
		in = out
	}
	g.Nodes = append(g.Nodes, enginetest.Node{Op: "Identity", Inputs: []string{in}, Outputs: []string{"y"}})
	return g
}

// broken is a chain that can be run on zeros alone: it looks the place of each other
// element up in a table of one row.
func broken(times int) enginetest.Graph {
	g := chain(times)
	g.Nodes[len(g.Nodes)-1].Outputs = []string{"answer"}
	g.Weights = append(g.Weights, enginetest.Weight{Name: "table", Shape: []int64{1}, Data: []float32{0}})
	g.Nodes = append(g.Nodes,
		enginetest.Node{Op: "NonZero", Inputs: []string{"x"}, Outputs: []string{"places"}},
		enginetest.Node{Op: "Gather", Inputs: []string{"table", "places"}, Outputs: []string{"found"}},
		enginetest.Node{Op: "ReduceSum", Inputs: []string{"found"}, Outputs: []string{"sum"}},
		enginetest.Node{Op: "Add", Inputs: []string{"answer", "sum"}, Outputs: []string{"y"}})
	return g
}

// netRow is a request for the net whose input is 64 times a number, with parameters.
func netRow(x int, parameters string) string {
	return fmt.Sprintf(`{"parameters":{%s},"inputs":[{"name":"x","datatype":"FP32","shape":[1,64],"data":[%d%s]}]}`, parameters, x, strings.Repeat(fmt.Sprintf(",%d", x), 63))
}

// netUnderLoad asks the net from several callers, half of them with a strict bound, until the
// function that it returns is called, which checks what became of the queries, and returns how
// many each version answered.
func (s *stage) netUnderLoad() (stop func() map[string]int) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	answered, counted := map[string]int{}, &promises{boundMS: strictBoundMS}
	for caller := range 4 {
		strict, body := caller%2 == 0, netRow(7, "")
		if strict {
			body = netRow(7, fmt.Sprintf(`"latency_ms":%d`, strictBoundMS))
		}
		all.Go(func() {
			for ctx.Err() == nil {
				a, err := s.askNet(body)
				counted.answered(strict, api.Query{MetSLO: &a.Parameters.MetSLO}, err)
				mu.Lock()
				answered[a.Version]++
				mu.Unlock()
			}
		})
	}
	return func() map[string]int {
		s.t.Helper()
		cancel()
		all.Wait()
		counted.check(s.t)
		return answered
	}
}

// netAnswer is what an answer of the net says of itself.
type netAnswer struct {
	Version    string `json:"model_version"`
	Parameters struct {
		Receipt string `json:"receipt"`
		QueryID string `json:"query_id"`
		MetSLO  bool   `json:"met_slo"`
	} `json:"parameters"`
}

// askNet puts a row to the net.
func (s *stage) askNet(body string) (a netAnswer, err error) {
	resp, err := http.Post(s.URL+"/v2/models/net/infer", "application/json", strings.NewReader(body))
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%d %s, error %v", resp.StatusCode, raw, err)
	}
	return a, json.Unmarshal(raw, &a)
}

// rollout reads the versions of the net.
func (s *stage) rollout() (r profile.Rollout) {
	s.t.Helper()
	own, err := s.OwnModels(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range own.Rollouts {
		if r.Model == "net" {
			return r
		}
	}
	return r
}

// mustModel runs `paragon model`, which must succeed.
func (s *stage) mustModel(args ...string) string {
	s.t.Helper()
	out, complaint, err := s.model(args...)
	if err != nil {
		s.t.Fatalf("%v: %v: %s%s", args, err, out, complaint)
	}
	return out
}

// Versions of a model come, answer their share, go back by themselves when they fail or
// are slow, are promoted and taken back, while the model is asked all the time: no query
// is lost.
func TestVersionsComeAndGoUnderLoad(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=2", "--boot-seconds=0", "--unpaced", "--set", "heartbeat_seconds=1")
	s.workersReady(2)
	s.mustModel("add", file(t, "net.onnx", chain(100).Bytes()), "--task", "own")
	load := s.netUnderLoad()
	add := func(g enginetest.Graph, share string) {
		s.mustModel("add", file(t, "next.onnx", g.Bytes()), "--task", "own", "--name", "net", "--share", share)
	}
	rolledBack := func(version, why string) {
		t.Helper()
		s.until(version+" is rolled back", func() bool { return s.rollout().Canary == "" })
		r := s.rollout()
		last := r.History[len(r.History)-1]
		if r.Served != "net" || last.Version != version || last.By != profile.ByRule || !strings.HasPrefix(last.Why, why) {
			t.Errorf("%+v", r)
		}
		if out := s.mustModel("show", "net"); !strings.Contains(out, last.Why) {
			t.Errorf("`paragon model show` does not say why:\n%s", out)
		}
	}
	add(broken(100), "0.2")
	rolledBack("net@2", "errors")
	add(chain(1000), "0.2")
	rolledBack("net@3", "latency")
	add(broken(110), "0")
	s.mustModel("shadow", "net", "--share", "0.99")
	rolledBack("net@4", "errors")
	answered := load()
	if answered["1"] == 0 || answered["3"] == 0 || answered["4"] > 0 {
		t.Errorf("answered by version: %v", answered)
	}

	load = s.netUnderLoad()
	add(chain(90), "0")
	s.mustModel("shadow", "net", "--share", "0.99")
	s.until("the fifth runs in shadow", func() bool { return s.shadowed("net@5") >= 20 })
	s.mustModel("canary", "net", "--share", "0.6")
	s.mustModel("promote", "net")
	s.until("the fifth answers alone", func() bool { return s.only("5") })
	s.mustModel("rollback", "net")
	s.until("the first answers alone", func() bool { return s.only("1") })
	answered = load()
	if answered["1"] == 0 || answered["5"] == 0 {
		t.Errorf("answered by version: %v", answered)
	}
	if out := s.mustModel("remove", "net"); !strings.Contains(out, "net") || s.rollout().Model != "" {
		t.Errorf("removed: %s; its versions are %+v", out, s.rollout())
	}
}

// shadowed is how many runs in shadow of a version went well.
func (s *stage) shadowed(version string) int64 {
	s.t.Helper()
	st, err := s.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range st.Shadows {
		if v.Version == version {
			return v.Runs - v.Faults
		}
	}
	return 0
}

// only says whether one version answers ten queries.
func (s *stage) only(version string) bool {
	s.t.Helper()
	var got []string
	for range 10 {
		a, err := s.askNet(netRow(0, ""))
		if err != nil {
			s.t.Fatal(err)
		}
		got = append(got, a.Version)
	}
	return !slices.ContainsFunc(got, func(v string) bool { return v != version })
}

// votersOf asks the net as several callers, each of which says of every answer whether it is
// right, until the function that it returns is called: answers of the named version are wrong,
// and others right. It fails the test for each query or vote that is lost.
func (s *stage) votersOf(wrong func() string) (stop func()) {
	in := packedOnes()
	ctx, cancel := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	for caller := range 6 { // no single caller may decide
		c, err := client.New(client.Config{Endpoint: s.URL, Token: fmt.Sprint("caller ", caller)})
		if err != nil {
			s.t.Fatal(err)
		}
		all.Go(func() {
			for ctx.Err() == nil {
				q, err := c.Submit(s.t.Context(), client.Submission{Model: "net", Input: in}, client.Options{Wait: 30 * time.Second})
				if err != nil || q.State != query.Succeeded {
					s.t.Errorf("%+v, error %v", q, err)
					return
				}
				right := q.Model != wrong()
				if err := c.Feedback(s.t.Context(), q.ID, q.Receipt, feedback.Opinion{Correct: &right}); err != nil {
					s.t.Errorf("a vote on query %s: %v", q.ID, err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// packedOnes is an input of the net.
func packedOnes() query.Input {
	const width = 64
	ones := slices.Repeat([]float32{1}, width)
	return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack([]tensors.Tensor{tensors.FromFloats("x", []int64{1, width}, ones)})}
}

// A version that gets 5 % of the queries goes back by itself for each reason for which it may:
// its runs fail, its callers say that it is wrong, its answers cost more, or it is slow. The
// reason is recorded.
func TestABadVersionAtFivePercentGoesBack(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=2", "--boot-seconds=0", "--unpaced", "--set", "heartbeat_seconds=1", "--set", "canary_latency_factor=100")
	s.workersReady(2)
	s.mustModel("add", file(t, "net.onnx", chain(100).Bytes()), "--task", "own", "--accuracy", "90")
	var wrong atomic.Value
	wrong.Store("")
	load := s.votersOf(func() string { return wrong.Load().(string) })
	for i, tc := range []struct {
		test  rollout.Test
		graph enginetest.Graph
	}{{rollout.Errors, broken(100)}, {rollout.Accuracy, chain(101)}, {rollout.Cost, chain(3000)}, {rollout.Latency, chain(1000)}} {
		version := fmt.Sprint("net@", i+2)
		switch tc.test {
		case rollout.Accuracy:
			wrong.Store(version)
		case rollout.Latency: // until now only a version a hundred times as slow was too slow
			if _, err := s.Set(t.Context(), "canary_latency_factor", "1.5"); err != nil {
				t.Fatal(err)
			}
		}
		s.mustModel("add", file(t, "next.onnx", tc.graph.Bytes()), "--task", "own", "--name", "net", "--accuracy", "90", "--share", "0.05")
		s.until(version+" is rolled back", func() bool { return s.rollout().Canary == "" })
		r := s.rollout()
		last := r.History[len(r.History)-1]
		if r.Served != "net" || last.Version != version || last.Action != profile.VersionRolledBack || last.By != profile.ByRule || !strings.HasPrefix(last.Why, string(tc.test)) {
			t.Errorf("for its %s: %+v", tc.test, r)
		}
		begun := r.History[slices.IndexFunc(r.History, func(e profile.RolloutEvent) bool { return e.Version == version })]
		t.Logf("%s after %v: %s", version, last.At.Sub(begun.At), last.Why)
	}
	load()
}
