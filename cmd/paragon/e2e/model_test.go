package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
)

// labels are the forest's classes: yes where the first feature is above 0.5.
var labels = [2]string{"no", "yes"}

// model runs `paragon model` against the stage.
func (s *stage) model(args ...string) (out, complaint string, err error) {
	c := exec.Command(built(s.t, "paragon"), append(append([]string{"model"}, args...), "--endpoint", s.URL)...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	return stdout.String(), stderr.String(), err
}

// file writes a file of the test's.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// askForest puts a row to the forest as a strict query, which needs no worker, and returns the
// status with what came.
func (s *stage) askForest(first float32) (status int, outputs []tensors.Tensor, body string, err error) {
	request := fmt.Sprintf(`{"parameters":{"class":"strict","latency_ms":60000},"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[%g,7]}]}`, first)
	resp, err := http.Post(s.URL+"/v2/models/weather/infer", "application/json", strings.NewReader(request))
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, "", err
	}
	var answer struct{ Outputs []tensors.Tensor }
	if resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(raw, &answer)
	}
	return resp.StatusCode, answer.Outputs, string(raw), err
}

// saysYes returns whether the forest's answer is its second class, as it must be.
func saysYes(outputs []tensors.Tensor) (bool, error) {
	label, _ := tensors.Find(outputs, "output_label")
	scores, _ := tensors.Find(outputs, "output_probability")
	words, err := label.Strings()
	values, ok := scores.Floats()
	if err != nil || len(words) != 1 || !ok || len(values) != 2 {
		return false, fmt.Errorf("the outputs are %v", outputs)
	}
	yes := string(words[0]) == labels[1]
	if want := float32(0.25); yes && values[0] != want || !yes && values[0] != 1 {
		return false, fmt.Errorf("label %s with scores %v", words[0], values)
	}
	return yes, nil
}

// The bounds of strict queries that are asked while models and versions come and go: more than a
// hundred times what the models take, and on functions what several cold starts take.
const strictBoundMS, strictOnFunctionMS = 500, 1900

// promises counts the strict queries of a load, and those that were not answered within
// their bound. What has no answer at all is lost. It is safe for concurrent use.
type promises struct {
	boundMS float64 // of strict queries

	mu          sync.Mutex
	asked, late int                      // strict
	on          map[query.RunnerKind]int // where strict ones were answered
	fellBack    int                      // strict ones that functions sent back to a queue of workers
	relaxed     int                      // queries with a generous bound or none that were answered
	lost        []string
}

// answered counts a query as it ended, or why it has no answer.
func (p *promises) answered(strict bool, q api.Query, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.lost = append(p.lost, err.Error())
	case !strict:
		p.relaxed++
	default:
		p.asked++
		if q.MetSLO == nil || !*q.MetSLO {
			p.late++
		}
		if slices.ContainsFunc(q.Trail, func(step query.Step) bool { return step.Event == query.StepReturned }) {
			p.fellBack++
		}
		if q.ServedBy != nil {
			if p.on == nil {
				p.on = map[query.RunnerKind]int{}
			}
			p.on[q.ServedBy.Kind]++
		}
	}
}

// noneFellBack fails the test if functions sent a strict query back to a queue of workers, where
// it would wait for somebody to notice that there are none.
func (p *promises) noneFellBack(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fellBack > 0 {
		t.Errorf("functions sent %d of %d strict queries back to a queue of workers", p.fellBack, p.asked)
	}
}

// strictOn is how many strict queries were answered on workers, or on functions, so far.
func (p *promises) strictOn(kind query.RunnerKind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on[kind]
}

// check fails the test if a query was lost, or if fewer than 99 % of the strict ones kept
// their bound: a machine that stands still for a moment is late for what it has at that time.
func (p *promises) check(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Logf("%d relaxed queries answered; %d strict ones, %d of them late, by resource %v", p.relaxed, p.asked, p.late, p.on)
	if len(p.lost) > 0 || p.relaxed == 0 || p.asked == 0 {
		t.Errorf("%d strict and %d relaxed queries answered, and %d lost, the first: %v", p.asked, p.relaxed, len(p.lost), p.lost[:min(1, len(p.lost))])
	}
	if 100*p.late > p.asked {
		t.Errorf("%d of %d strict queries were not answered within %v ms", p.late, p.asked, p.boundMS)
	}
}

// A model is added to a running stage, answers under its own names, gets a second version on
// trial, and is removed, while it and pictures are asked all the time: nothing is lost of either,
// strict queries keep their bound, and queries for the removed model are refused. Strict queries
// are answered on workers, and where none may run on functions; relaxed ones then wait
// for a worker, which answers also those that the model had when it was removed.
func TestAModelComesAndGoesUnderLoad(t *testing.T) {
	forest := enginetest.Forest(2, 0.5, labels)
	second, err := metadata.Put(forest, "made", []byte("again"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, flags := range map[query.RunnerKind][]string{query.OnWorker: {"--workers=2"}, query.OnFunction: {"--workers=0", "--set=max_workers=0", "--set=tick_seconds=1"}} {
		t.Run(string(kind), func(t *testing.T) {
			s := up(t, t.TempDir(), append(flags, "--boot-seconds=0", "--unpaced", "--set=canary_rollback=off")...)
			counted := &promises{boundMS: strictOnFunctionMS}
			if kind == query.OnWorker {
				s.workersReady(2)
				counted.boundMS = strictBoundMS
			}
			load := s.underLoad(counted)

			s.mustModel("add", file(t, "weather.onnx", forest), "--task", "weather", "--accuracy", "75")
			for i := range 40 {
				first := float32(i % 2)
				status, outputs, body, err := s.askForest(first)
				if err != nil || status != http.StatusOK {
					t.Fatalf("row %d: %d %s, error %v", i, status, body, err)
				}
				if yes, err := saysYes(outputs); err != nil || yes != (first > 0.5) {
					t.Fatalf("row %d: %v, %v", i, yes, err)
				}
			}
			refused := s.forestUntilRefused(counted)
			s.mustModel("add", file(t, "second.onnx", second), "--task", "weather", "--name", "weather", "--accuracy", "75", "--share", "0.5")
			versions := map[string]bool{}
			s.until("both versions answer", func() bool {
				status, _, body, err := s.askForest(1)
				var a netAnswer
				if err = errors.Join(err, json.Unmarshal([]byte(body), &a)); err != nil || status != http.StatusOK {
					t.Fatalf("with two versions: %d %s, error %v", status, body, err)
				}
				versions[a.Version] = true
				return versions["1"] && versions["2"]
			})
			// Enough that the first cold starts are too few to count.
			s.until("strict queries are answered on a "+string(kind), func() bool { return counted.strictOn(kind) >= 1500 })
			s.mustModel("remove", "weather")
			s.until("the removed model is refused", func() bool { // each process reads the catalogue for itself
				status, _, body, err := s.askForest(1)
				if err != nil || status != http.StatusOK && (status != http.StatusNotFound || !strings.Contains(body, "weather")) {
					t.Fatalf("after it was removed: %d %s, error %v", status, body, err)
				}
				return status == http.StatusNotFound
			})
			if kind == query.OnFunction {
				counted.noneFellBack(t)
				if _, err := s.Set(t.Context(), "max_workers", "2"); err != nil {
					t.Fatal(err)
				}
			}
			refused()
			load()
			counted.check(t)
		})
	}
}

// forestUntilRefused asks the forest from several callers. Half of them are strict, and ask until
// they are refused; the others hand relaxed queries in until they are refused or have mostWaiting.
// It returns once each has an answer, or has handed a query in; the function that it returns
// waits for the refusals and for the answers to all that was accepted.
func (s *stage) forestUntilRefused(counted *promises) (wait func()) {
	s.t.Helper()
	x := tensors.Pack([]tensors.Tensor{tensors.FromFloats("X", []int64{1, 2}, []float32{1, 7})})
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	const callers, mostWaiting = 4, 100 // which may have to wait for a worker
	var all, begun sync.WaitGroup
	begun.Add(callers)
	for caller := range callers {
		all.Go(func() {
			begin := sync.OnceFunc(begun.Done)
			defer begin() // also where the first is refused
			strict := caller%2 == 0
			ask, wait := client.Submission{Task: "weather", Input: query.Input{ContentType: tensors.ContentType, Data: x}}, time.Duration(0)
			if strict {
				ask.Class, ask.Constraints.LatencyMS, wait = query.Strict, counted.boundMS, 30*time.Second
			}
			var accepted []api.Query
			for strict || len(accepted) < mostWaiting {
				q, err := s.Submit(ctx, ask, client.Options{Wait: wait})
				if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind() == "unknown-task" {
					break
				}
				if err != nil {
					counted.answered(strict, q, err)
					break
				}
				accepted = append(accepted, q)
				begin()
			}
			for _, q := range accepted {
				done, err := s.Await(ctx, q, 20*time.Second)
				if err == nil && (done.State != query.Succeeded || done.Result.Label != labels[1]) {
					err = fmt.Errorf("accepted before it was removed: %+v", done)
				}
				counted.answered(strict, done, err)
			}
		})
	}
	begun.Wait()
	return func() {
		all.Wait()
		cancel()
	}
}

// underLoad asks pictures, every second one with a strict bound, until the function that it
// returns is called.
func (s *stage) underLoad(counted *promises) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	p := pictures(s.t)
	var all sync.WaitGroup
	for caller := range 2 {
		strict := caller == 0
		ask := client.Submission{Task: "fashion", Class: query.Relaxed, Constraints: query.Constraints{LatencyMS: 60_000}}
		if strict {
			ask.Class, ask.Constraints.LatencyMS = query.Strict, counted.boundMS
		}
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				ask.Input = query.Input{ContentType: "image/png", Data: p[i%len(p)].data}
				q, err := s.Submit(context.WithoutCancel(ctx), ask, client.Options{Wait: 30 * time.Second})
				if err == nil {
					q, err = s.Await(context.WithoutCancel(ctx), q, 20*time.Second)
				}
				if err == nil && q.State != query.Succeeded && (!strict || q.State != query.Expired) {
					err = fmt.Errorf("%+v", q)
				}
				counted.answered(strict, q, err)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// printedChoice is a line of `paragon model add` that says what would be chosen for a need.
var printedChoice = regexp.MustCompile(`(?m)^  ([^:\n]+): (\S+) on (a function of \d+ MB|\S+), about (\d\S* m?s); (\S.+)$`)

// `paragon model add` prints what it measured and what selection would now do: the figures of the
// model's profile with their units, and for each need the model that a query with it then gets.
func TestWhatModelAddPrints(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	worker := s.pool().InstanceType
	add := func(name string, times int, accuracy string, flags ...string) string {
		return s.mustModel(append([]string{"add", file(t, name+".onnx", chain(times).Bytes()), "--task", "net", "--accuracy", accuracy}, flags...)...)
	}
	profiled := func(name string) (m profile.Model) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.mustModel("profile", name)), &m); err != nil || len(m.Latency) == 0 || m.Latency[0].ColdMS == nil {
			t.Fatalf("the profile of %s is %+v, error %v", name, m, err)
		}
		return m
	}
	add("quick", 10, "80.5")
	out := add("exact", 800, "97.25")
	m := profiled("exact")
	l := m.Latency[0]
	if l.Resource != "reference" || l.MS.P50 <= 0 || l.MS.P99 < l.MS.P50 || l.ColdMS.P50 <= 0 || l.Source.Samples == 0 || m.MemoryMB <= 0 {
		t.Errorf("measured is %+v with %d MB", l, m.MemoryMB)
	}
	measured := fmt.Sprintf("  accuracy 97.25 %% (stated), memory %d MB, latency %s at p50 and %s at p99 of %d runs, a cold start %s\n",
		m.MemoryMB, cli.Milliseconds(l.MS.P50), cli.Milliseconds(l.MS.P99), l.Source.Samples, cli.Milliseconds(l.ColdMS.P50))
	for from, text := range map[string]string{"add": out, "show": s.mustModel("show", "exact")} {
		for _, line := range []string{"Model exact, task net, kind of input: tensor.\n", "  in   x FP32 [any, 64]\n", "  out  y FP32 [any, 64]\n", measured} {
			if !strings.Contains(text, line) {
				t.Errorf("`paragon model %s` prints no line %q:\n%s", from, line, text)
			}
		}
	}
	if quick := profiled("quick").Latency[0].MS; quick.P50 >= l.MS.P50 {
		t.Errorf("10 products take %v ms, 800 take %v ms", quick.P50, l.MS.P50)
	}

	var added api.AddedModel // a third, which is best for no need
	if err := json.Unmarshal([]byte(add("middling", 400, "60", "--json")), &added); err != nil {
		t.Fatal(err)
	}
	if stored := profiled("middling"); !reflect.DeepEqual(stored, added.Model) {
		t.Errorf("--json gives the model %+v, its profile is %+v", added.Model, stored)
	}
	lines := printedChoice.FindAllStringSubmatch(out, -1)
	wanted := []client.Submission{{}, {Optimize: query.Accuracy}, {Optimize: query.Cost}, {Constraints: query.Constraints{LatencyMS: 500}}}
	if len(lines) != len(wanted) || len(added.Choices) != len(wanted) {
		t.Fatalf("%d choices are printed and %d are in --json, want %d:\n%s", len(lines), len(added.Choices), len(wanted), out)
	}
	for i, ask := range wanted {
		model := "quick"
		if ask.Optimize == query.Accuracy {
			model = "exact"
		}
		c, line := added.Choices[i], lines[i]
		if c.Chosen == nil || c.Chosen.Model != model || c.Chosen.LatencyMS < profiled(model).Latency[0].MS.P95 {
			t.Fatalf("%s: --json gives %+v, want %s after its p95 at the earliest", c.Need, c.Chosen, model)
		}
		on := worker
		inTime := ask.Constraints.LatencyMS > 0 // where the worker is late, as on a busy machine, a function is right
		if c.Chosen.Resource.Kind == query.OnFunction && inTime {
			on = fmt.Sprintf("a function of %d MB", c.Chosen.Resource.MemoryMB)
		}
		if line[1] != c.Need || line[2] != model || line[3] != on || line[5] != c.Why {
			t.Errorf("printed is %q, --json gives %+v, want %s on %s", line[0], c, model, on)
		}
		ask.Task, ask.Input = "net", packedOnes()
		if q := s.one(ask); q.State != query.Succeeded || q.Model != model || (q.ServedBy.Kind != query.OnWorker && !inTime) {
			t.Errorf("%s: a query is answered by %+v, want %s on %s", c.Need, q, model, on)
		}
	}
}

// Without a worker the functions answer for a model that was added, and it is there
// after a restart.
func TestFunctionsRunAnAddedModel(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=0", "--unpaced")
	forest := file(t, "weather.onnx", enginetest.Forest(2, 0.5, labels))
	out := s.mustModel("add", forest, "--task", "weather")
	choices := printedChoice.FindAllStringSubmatch(out, -1)
	if i := slices.IndexFunc(choices, func(line []string) bool { return line[1] == "within 500 ms" }); i < 0 || choices[i][2] != "weather" || !strings.HasPrefix(choices[i][3], "a function of ") {
		t.Errorf("`paragon model add` does not say that a function would answer in time:\n%s", out)
	}
	for range 2 {
		x := tensors.FromFloats("X", []int64{1, 2}, []float32{1, 7})
		q, err := s.Submit(t.Context(), client.Submission{Task: "weather", Class: query.Strict, Constraints: query.Constraints{LatencyMS: 20_000},
			Input: query.Input{ContentType: tensors.ContentType, Data: tensors.Pack([]tensors.Tensor{x})}}, client.Options{Wait: 30e9})
		if err != nil || q.State != query.Succeeded || q.Result.Label != "yes" || q.ServedBy.Kind != query.OnFunction {
			t.Fatalf("%+v, error %v", q, err)
		}
		s.stop()
		s.restart()
	}
}

// A model that cannot be run on zeros is added with a sample of its inputs, and is there
// after a restart.
func TestAModelWithASampleOutlivesARestart(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	const request = `{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}`
	picky := file(t, "picky.onnx", enginetest.Picky())
	if _, complaint, err := s.model("add", picky, "--task", "choosy"); err == nil || !strings.Contains(complaint, "--sample") {
		t.Fatalf("without a sample: %v %s", err, complaint)
	}
	s.mustModel("add", picky, "--task", "choosy", "--sample", file(t, "sample.json", []byte(request)))
	for range 2 {
		if status, body := s.postWaiting("/v2/models/choosy/infer", request); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		s.stop()
		s.restart()
		s.workersReady(1)
	}
	if st, err := s.Status(t.Context()); err != nil || len(st.Withheld) != 0 {
		t.Errorf("withheld are %+v, error %v", st.Withheld, err)
	}
}

// A model that does not end its first run keeps no other from being added, and several that
// are added at once all are.
func TestModelsAreAddedWhileAnotherNeverAnswers(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=0")
	endless := exec.Command(built(t, "paragon"), "model", "add", file(t, "endless.onnx", enginetest.Endless()), "--task", "never", "--endpoint", s.URL)
	if err := endless.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("its check is under way", func() bool { return len(s.checks()) > 0 })
	checks := s.checks()
	var all sync.WaitGroup
	for i := range 3 {
		name := fmt.Sprint("other", i)
		affine := file(t, name+".onnx", enginetest.Affine(float32(i), 0, -1, 4))
		all.Go(func() {
			if out, complaint, err := s.model("add", affine, "--task", "quick"); err != nil {
				t.Errorf("%v: %s%s", err, out, complaint)
			}
		})
	}
	all.Wait()
	if now := s.checks(); !slices.Equal(now, checks) {
		t.Errorf("the check under way was %v, and is %v", checks, now)
	}
	if err := endless.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = endless.Wait()
	s.until("its check has ended", func() bool { return len(s.checks()) == 0 })
	if own, err := s.OwnModels(t.Context()); err != nil || len(own.Models) != 3 {
		t.Errorf("there are %+v, error %v", own.Models, err)
	}
}

// What a killed process left of a model that was on its way is removed by the next start.
func TestAStartRemovesDrafts(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "models", "draft-1.onnx")
	if err := errors.Join(os.Mkdir(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("half of a model"), 0o600)); err != nil {
		t.Fatal(err)
	}
	up(t, dir, "--workers=0")
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there, error %v", left, err)
	}
}

// What cannot be served is refused with a sentence that names file, node or field,
// and nothing has changed.
func TestModelsThatCannotBeServed(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=0", "--unpaced")
	one := []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, 4}}}
	out := []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, 4}}}
	graph := func(n enginetest.Node, ws ...enginetest.Weight) []byte {
		return enginetest.Graph{Inputs: one, Outputs: out, Nodes: []enginetest.Node{n}, Weights: ws}.Bytes()
	}
	add := enginetest.Node{Op: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}
	affine := enginetest.Affine(1, 0, -1, 4)
	large := file(t, "large.onnx", affine)
	if err := os.Truncate(large, 3<<30); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, file string
		flags      []string
		says       []string
	}{
		{"not ONNX", file(t, "text.onnx", []byte("a poem, and no model")), nil, []string{"text.onnx", "not an ONNX model"}},
		{"not there", filepath.Join(t.TempDir(), "none.onnx"), nil, []string{"none.onnx"}},
		{"an operator that the library lacks", file(t, "lacks.onnx", graph(enginetest.Node{Op: "Nonsense", Inputs: []string{"x"}, Outputs: []string{"y"}})), nil, []string{"lacks.onnx", "Nonsense"}},
		{"a custom operator", file(t, "custom.onnx", graph(enginetest.Node{Op: "Mine", Domain: "com.example", Inputs: []string{"x"}, Outputs: []string{"y"}})), nil, []string{"custom.onnx", "Mine y", "com.example"}},
		{"weights that are not there", file(t, "beside.onnx", graph(add, enginetest.Weight{Name: "w", Shape: []int64{4}, External: "w.bin"})), nil, []string{"beside.onnx", `"w"`, "w.bin"}},
		{"weights outside the folder", file(t, "outside.onnx", graph(add, enginetest.Weight{Name: "w", Shape: []int64{4}, External: "../../etc/passwd"})), nil, []string{"outside.onnx", `"w"`, "outside"}},
		{"shapes that do not fit", file(t, "shapes.onnx", graph(add, enginetest.Weight{Name: "w", Shape: []int64{3}, Data: make([]float32, 3)})), nil, []string{"shapes.onnx", "Add y"}},
		{"a weight that is no number", file(t, "nan.onnx", graph(add, enginetest.Weight{Name: "w", Shape: []int64{1}, Data: []float32{float32(math.NaN())}})), nil, []string{"nan.onnx", `"w"`, "NaN"}},
		{"too few labels", file(t, "labels.onnx", affine), []string{"--labels", file(t, "labels.txt", []byte("a\nb\n"))}, []string{"labels.onnx", `"y"`, "4 scores", "2 labels"}},
		{"3 GiB", large, nil, []string{"large.onnx", "3.0 GiB", "1.0 GiB"}},
		{"a name that is taken", file(t, "cnn.onnx", affine), nil, []string{"name", `"cnn"`, "fashion"}},
		{"another kind than the task's", file(t, "kind.onnx", affine), []string{"--task", "fashion", "--kind", "embed"}, []string{"kind", "fashion", "classify"}},
		{"another input than the task's", file(t, "input.onnx", affine), []string{"--task", "fashion"}, []string{"picture", "x FP32"}},
		{"no picture", file(t, "picture.onnx", affine), []string{"--input", "picture"}, []string{"picture.onnx", "x FP32"}},
		{"no such kind", file(t, "rank.onnx", affine), []string{"--kind", "rank"}, []string{"rank.onnx", `"rank"`}},
		{"no name", file(t, "dots.onnx", affine), []string{"--name", "../dots"}, []string{"name", "../dots"}},
		{"labels of a vector", file(t, "vector.onnx", affine), []string{"--kind", "embed", "--labels", file(t, "four.txt", []byte("a\nb\nc\nd\n"))}, []string{"vector.onnx", "labels", "embed"}},
		{"more than all queries", file(t, "share.onnx", affine), []string{"--share", "1.5"}, []string{"share", "1.5"}},
		{"more than all", file(t, "sure.onnx", affine), []string{"--accuracy", "101"}, []string{"accuracy", "101"}},
	} {
		args := append([]string{"add", tc.file, "--task", "own"}, tc.flags...)
		printed, complaint, err := s.model(args...)
		const callersMistake = 2
		if exit, failed := errors.AsType[*exec.ExitError](err); !failed || exit.ExitCode() != callersMistake {
			t.Errorf("%s: %v, printed %s", tc.name, err, printed)
		}
		for _, word := range tc.says {
			if !strings.Contains(complaint, word) {
				t.Errorf("%s: %q does not name %q", tc.name, complaint, word)
			}
		}
	}
	if own, err := s.OwnModels(t.Context()); err != nil || len(own.Models) != 0 {
		t.Errorf("after all of them there are %v, error %v", own.Models, err)
	}
	if _, complaint, err := s.model("remove", "cnn"); err == nil || !strings.Contains(complaint, "came with the catalogue") {
		t.Errorf("a model of the catalogue is removed: %v %s", err, complaint)
	}
}

// Models that take text are asked with strings, by both APIs; their accuracy is
// measured on labeled texts before they are served, and part of the profile.
func TestTextIsAnswered(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	words := file(t, "words.onnx", enginetest.Words())
	names := file(t, "labels.txt", []byte("no\nyes\n"))
	test := file(t, "test.csv", []byte("yes,yes\nno,no\n\"no\",\"yes\"\nyes,yes\n"))
	out, complaint, err := s.model("add", words, "--task", "mail", "--labels", names, "--test", test)
	if err != nil || !strings.Contains(out, "75.00 % (measured)") {
		t.Fatalf("%v: %s%s", err, out, complaint)
	}
	own, err := s.OwnModels(t.Context())
	if err != nil || len(own.Models) != 1 {
		t.Fatal(own.Models, err)
	}
	if a := own.Models[0].Accuracy; a.Correct != 3 || a.Total != 4 || !strings.Contains(a.Source.Note, "test.csv") || !strings.Contains(a.Source.Note, "30.06 to 95.44") {
		t.Errorf("accuracy %+v", a)
	}
	for path, body := range map[string]string{
		"/v1/queries":           `{"task":"mail","input":{"text":"yes"}}`,
		"/v2/models/mail/infer": `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["yes"]}]}`,
	} {
		status, raw := s.postWaiting(path, body)
		if status != http.StatusOK || !strings.Contains(raw, `"yes"`) {
			t.Errorf("%s: %d %s", path, status, raw)
		}
	}
	for body, says := range map[string]string{
		`{"task":"mail","input":{"content_type":"image/png","data":"iVBORw0KGgo="}}`: "input.text",
		`{"task":"mail","input":{"content_type":"text/plain","data":"/w=="}}`:        "UTF-8",
	} {
		if status, raw := s.postWaiting("/v1/queries", body); status < 400 || !strings.Contains(raw, says) {
			t.Errorf("%s: %d %s", body, status, raw)
		}
	}
	for _, tc := range []struct{ flag, content, says string }{
		{"--test", "maybe,yes\n", "line 1"}, {"--test", "yes\n", "test"}, {"--tokenizer", "{}", "model.vocab"},
	} {
		if _, complaint, err := s.model("add", words, "--name", "other", "--task", "mail", tc.flag, file(t, "bad", []byte(tc.content))); err == nil || !strings.Contains(complaint, tc.says) {
			t.Errorf("%s %q: %v %s", tc.flag, tc.content, err, complaint)
		}
	}
}

// The accuracy of a model is measured on a folder of labeled pictures or texts before it is
// served, with its interval. What the folder has besides counts for nothing, and what cannot
// be answered is named, and no model is added.
func TestTheAccuracyIsMeasuredOnAFolder(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=0", "--unpaced")
	red, green := onePicture(t, color.RGBA{255, 0, 0, 255}), onePicture(t, color.RGBA{0, 255, 0, 255})
	names := file(t, "names.txt", []byte(colourNames))
	pictured := func(more map[string][]byte) string {
		dir := filepath.Join(t.TempDir(), "held-out")
		files := map[string][]byte{
			"red/1.png": red, "red/2.png": red, "red/wrong.png": green, "green/1.png": green, "green/2.png": green, "green/3.png": green,
			"red/.DS_Store": []byte("hidden"), "labels.csv": []byte("1.png,red\n"), "blue/.hidden.png": red,
		}
		maps.Copy(files, more)
		writeFiles(t, dir, files)
		return dir
	}
	measured := func(model string, correct, total int, interval string) {
		t.Helper()
		own, err := s.OwnModels(t.Context())
		i := slices.IndexFunc(own.Models, func(m profile.Model) bool { return m.Name == model })
		if err != nil || i < 0 {
			t.Fatalf("%s is not there: %+v, error %v", model, own.Models, err)
		}
		if a := own.Models[i].Accuracy; a.Correct != correct || a.Total != total || !strings.Contains(a.Source.Note, "held-out") || !strings.Contains(a.Source.Note, interval) {
			t.Errorf("%s: %+v, want %d of %d and %s", model, a, correct, total, interval)
		}
	}

	net := file(t, "colours.onnx", colours())
	add := []string{"add", net, "--task", "colour", "--labels", names, "--preprocess", "imagenet", "--test"}
	if out := s.mustModel(append(add, pictured(nil))...); !strings.Contains(out, "83.33 % (measured)") {
		t.Errorf("it says %s", out)
	}
	measured("colours", 5, 6, "43.65 to 96.99") // Wilson's interval of 95 %

	texts := filepath.Join(t.TempDir(), "held-out")
	writeFiles(t, texts, map[string][]byte{"yes/1.txt": []byte("yes"), "yes/2": []byte("yes"), "no/1.txt": []byte("no"), "no/2.txt": []byte("yes")})
	words := []string{"add", file(t, "words.onnx", enginetest.Words()), "--task", "mail", "--labels", file(t, "labels.txt", []byte("no\nyes\n")), "--test"}
	if out := s.mustModel(append(words, texts)...); !strings.Contains(out, "75.00 % (measured)") {
		t.Errorf("it says %s", out)
	}
	measured("words", 3, 4, "30.06 to 95.44")

	add = append([]string{"add", net, "--name", "other"}, add[2:]...)
	for _, tc := range []struct {
		name string
		more map[string][]byte
		says []string
	}{
		{"a label that the model has not", map[string][]byte{"violet/1.png": red}, []string{filepath.Join("violet", "1.png"), "3 labels"}},
		{"a broken picture", map[string][]byte{"green/4.png": green[:len(green)/2]}, []string{filepath.Join("green", "4.png"), "PNG"}},
		{"a text", map[string][]byte{"green/notes.txt": []byte("all is green")}, []string{filepath.Join("green", "notes.txt"), "image/png"}},
		{"neither", map[string][]byte{"green/Thumbs.db": {0xd0, 0xcf, 0x11, 0xe0}}, []string{filepath.Join("green", "Thumbs.db"), "neither a PNG nor a JPEG"}},
		{"folders in a label's", map[string][]byte{"green/more/1.png": green}, []string{filepath.Join("green", "more"), "folder"}},
	} {
		refusedWith(t, s, tc.name, append(add, pictured(tc.more)), tc.says)
	}
	refusedWith(t, s, "an empty folder", append(add, t.TempDir()), []string{"--test", "no labeled item"})
	refusedWith(t, s, "no folder", append(add, filepath.Join(t.TempDir(), "none")), []string{"--test", "none"})
	if own, err := s.OwnModels(t.Context()); err != nil || len(own.Models) != 2 {
		t.Errorf("there are %+v, error %v", own.Models, err)
	}
}

// refusedWith wants `paragon model` to refuse what it is given as a mistake of the caller's.
func refusedWith(t *testing.T, s *stage, name string, args, says []string) {
	t.Helper()
	printed, complaint, err := s.model(args...)
	if exit, failed := errors.AsType[*exec.ExitError](err); !failed || exit.ExitCode() != 2 {
		t.Errorf("%s: %v, printed %s%s", name, err, printed, complaint)
	}
	for _, word := range says {
		if !strings.Contains(complaint, word) {
			t.Errorf("%s: %q does not name %q", name, complaint, word)
		}
	}
}

// postWaiting posts JSON and waits for the answer.
func (s *stage) postWaiting(path, body string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=20")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}
