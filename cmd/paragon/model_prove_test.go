package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// aStage has a model that was added and waits for its proof, and generic functions of
// some sizes.
func aStage(t *testing.T, genericMB ...int) (s stageModels, m *profile.Model) {
	t.Helper()
	shipped := profilestest.Shipped(t)
	base := *shipped
	base.Deployed = &profile.Deployed{GenericMB: genericMB}
	s.stage = &discovery.Stage{Name: "dev", StageParameter: names.StageParameter{FunctionArch: "x86_64"}}
	var err error
	if s.Store, err = modelstore.Open(t.TempDir(), &base); err != nil {
		t.Fatal(err)
	}
	d, err := s.Receive(strings.NewReader("net"))
	if err != nil {
		t.Fatal(err)
	}
	task, _ := base.Task("fashion")
	mlp, _ := base.Model("mlp")
	mine := *mlp
	mine.Name = "mine"
	if err := s.Add(d, modelstore.Addition{Task: task, Model: mine, Measured: []byte("{}"), Withheld: awaitsProof}); err != nil {
		t.Fatal(err)
	}
	m, _ = s.Current().Model("mine")
	return s, m
}

// offered says whether a stage offers its added model.
func (s stageModels) offered() bool {
	_, ok := s.Current().Offered().Model("mine")
	return ok
}

// genericFunctions answer, or fail: cold once at each size.
type genericFunctions struct {
	mu      sync.Mutex
	asked   []string // functions, each once
	pinned  string
	failure *query.Failure
	err     error
}

func (l *genericFunctions) Invoke(_ context.Context, function string, payload []byte) (platform.Invocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var req inference.Request
	if err := json.Unmarshal(payload, &req); err != nil {
		return platform.Invocation{}, err
	}
	l.pinned = req.SHA256
	res := inference.Response{ComputeMS: 3, Error: l.failure}
	if !slices.Contains(l.asked, function) {
		l.asked = append(l.asked, function)
		res.LoadMS = 250
	}
	raw, err := json.Marshal(res)
	return platform.Invocation{Payload: raw, BilledMS: 4}, errors.Join(err, l.err)
}

// A model that was added is offered once generic functions of each size have answered
// with it, and its times there are known then. One that gives no answer stays aside
// with the reason, and a run that proves nothing changes nothing.
func TestAModelIsOfferedOnceFunctionsHaveRunIt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		l       *genericFunctions
		offered bool
		why     string // of what is withheld
		fails   bool
	}{
		{"answers", &genericFunctions{}, true, "", false},
		{"fails", &genericFunctions{failure: &query.Failure{Code: query.ModelFault, Detail: "no such operator"}}, false, "no such operator", false},
		{"takes the function down", &genericFunctions{err: platform.ErrFault}, false, platform.ErrFault.Error(), false},
		{"cannot be reached", &genericFunctions{err: platform.ErrUnavailable}, false, awaitsProof, true},
	} {
		s, m := aStage(t, 1769, 3008)
		if s.offered() {
			t.Fatal("it is offered before anything has run it")
		}
		holding, _ := s.holding(m)
		if len(holding) != 2 {
			t.Fatalf("%d functions hold it", len(holding))
		}
		var said bytes.Buffer
		term := cli.New(strings.NewReader(""), &bytes.Buffer{}, &said, func(string) string { return "" })
		p, err := s.proof(t.Context(), term, platform.Backend{Invoker: tc.l, Shared: &proofs{}, Fleet: viewed{}}, m)
		if (err != nil) != tc.fails {
			t.Errorf("%s: %v", tc.name, err)
		}
		if strings.Contains(said.String(), "No worker has measured model mine") != tc.offered {
			t.Errorf("%s: printed %q", tc.name, &said)
		}
		if err == nil {
			if err := s.Prove("mine", m.SHA256, p); err != nil {
				t.Fatal(err)
			}
		}
		if s.offered() != tc.offered || !strings.Contains(s.Current().Withheld["mine"], tc.why) {
			t.Errorf("%s: offered %v, withheld %q", tc.name, s.offered(), s.Current().Withheld["mine"])
		}
		if !tc.offered {
			continue
		}
		if !slices.Equal(tc.l.asked, []string{"generic-1769", "generic-3008"}) || tc.l.pinned != m.SHA256 {
			t.Errorf("invoked %v with file %s", tc.l.asked, tc.l.pinned)
		}
		now, _ := s.Current().Model("mine")
		for _, mb := range []int{1769, 3008} {
			if st, _ := s.Current().OnFunction(now, "x86_64", mb); st.MS.P50 != 3 || st.ColdMS.P50 != 250 || st.Source.Kind != "measured" {
				t.Errorf("%d MB: %+v", mb, st)
			}
		}
	}
}

// The price is printed, and nothing is run unless that is wanted.
func TestAProofIsPricedAndAskedFor(t *testing.T) {
	s, m := aStage(t, 1769, 3008)
	for answer, goesOn := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "": false} {
		var said bytes.Buffer
		term := cli.New(strings.NewReader(answer), &bytes.Buffer{}, &said, func(string) string { return "" })
		if err := s.agree(term, m, false); (err == nil) != goesOn || !strings.Contains(said.String(), "1769 and 3008 MB") || !strings.Contains(said.String(), "$0.00") {
			t.Errorf("%q: %v; %s", answer, err, &said)
		}
		said.Reset()
		if err := s.agree(term, m, true); err != nil || !strings.Contains(said.String(), "$") {
			t.Errorf("unasked: %v; %s", err, &said)
		}
	}
}

// viewed is a fleet of which the controller has published how many workers are ready.
type viewed struct {
	platform.Fleet
	ready int
}

func (v viewed) View(context.Context) (platform.FleetView, error) {
	return platform.FleetView{Pools: []placement.Pool{{Name: "general", Workers: v.ready}}}, nil
}

// proofs holds a book of proofs, from the nth reading on.
type proofs struct {
	platform.Shared
	book proof.Book
	from int
}

func (p *proofs) ReadShared(context.Context, string) ([]byte, int64, error) {
	if p.from--; p.from >= 0 {
		return nil, 0, nil
	}
	raw, err := json.Marshal(p.book)
	return raw, 1, err
}

// patient is a terminal whose waits take no time.
func patient() *cli.Terminal {
	now := time.Unix(1e9, 0)
	term := cli.New(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
	term.Now = func() time.Time { return now }
	term.Sleep = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	return term
}

// timed is how a model's run by a worker of c5.large went, in milliseconds.
func timed(ms float64) proof.Result {
	return proof.Result{At: time.Unix(1e9, 0), InstanceType: "c5.large", MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}, Samples: 20,
		Batches: []profile.BatchTime{{Batch: 2, MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}, Samples: 10}}}
}

// Without a generic function that holds it a model waits for a worker.
func TestAModelIsOfferedOnceAWorkerHasRunIt(t *testing.T) {
	s, m := aStage(t)
	if holding, _ := s.holding(m); len(holding) > 0 {
		t.Fatalf("functions hold it: %+v", holding)
	}
	digest, err := proof.Digest(s.Current(), m)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0)
	for why, book := range map[string]proof.Book{
		"":               {digest: {"linux/amd64": {At: at}}},
		"it has no node": {digest: {"linux/amd64": {At: at, Why: "it has no node"}}},
	} {
		p, err := s.proof(t.Context(), patient(), platform.Backend{Shared: &proofs{book: book, from: 3}, Fleet: viewed{}}, m)
		if err != nil || !strings.HasSuffix(p.Why, why) || (p.Why == "") != (why == "") {
			t.Errorf("%q: %+v, error %v", why, p, err)
		}
	}
	if p, err := s.proof(t.Context(), patient(), platform.Backend{Shared: &proofs{}, Fleet: viewed{}}, m); err == nil {
		t.Errorf("nobody has run it: %+v", p)
	}
}

// What a worker measured is in the model's profile, next to what functions measured. A
// worker is awaited where one is ready.
func TestAWorkerMeasuresAModel(t *testing.T) {
	for _, tc := range []struct {
		name      string
		genericMB []int
		ready     int
		from      int // reading of the book at which the worker's result is there
		result    proof.Result
		measured  bool
	}{
		{"by a worker alone", nil, 0, 3, timed(7), true},
		{"by functions and a ready worker", []int{1769, 3008}, 1, 3, timed(7), true},
		{"by functions, while no worker is ready", []int{1769, 3008}, 0, 3, timed(7), false},
		{"by a worker that was ready before", []int{1769, 3008}, 0, 0, timed(7), true},
		{"by none in time", []int{1769, 3008}, 1, 1000, timed(7), false},
		{"run by a worker of before, which timed nothing", []int{1769}, 1, 0, proof.Result{At: time.Unix(1e9, 0)}, false},
	} {
		s, m := aStage(t, tc.genericMB...)
		digest, err := proof.Digest(s.Current(), m)
		if err != nil {
			t.Fatal(err)
		}
		book := proof.Book{digest: {"linux/amd64": tc.result, "linux/arm64": {At: tc.result.At}}}
		p, err := s.proof(t.Context(), patient(), platform.Backend{Invoker: &genericFunctions{}, Shared: &proofs{book: book, from: tc.from}, Fleet: viewed{ready: tc.ready}}, m)
		if err != nil || p.Why != "" {
			t.Fatalf("%s: %+v, error %v", tc.name, p, err)
		}
		if err := s.Prove("mine", m.SHA256, p); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		now, _ := s.Current().Model("mine")
		got, _ := s.Current().OnVM(now, "c5.large")
		if (got.MS.P50 == 7 && got.Source.Kind == "measured") != tc.measured || !s.offered() {
			t.Errorf("%s: offered %v, on c5.large %+v", tc.name, s.offered(), got)
		}
		if batch, pays := s.Current().BatchOnVM(now, "c5.large", 8); tc.measured && (!pays || batch != profile.Batching{Max: 2, PerQueryMS: 3.5}) {
			t.Errorf("%s: on c5.large a batch is %+v", tc.name, batch)
		}
		for _, mb := range tc.genericMB {
			if on, _ := s.Current().OnFunction(now, "x86_64", mb); on.MS.P50 != 3 {
				t.Errorf("%s: on %d MB %+v", tc.name, mb, on)
			}
		}
		if tc.measured && !strings.Contains(string(p.Measured), `"resource": "c5.large"`) {
			t.Errorf("%s: the file has %s", tc.name, p.Measured)
		}
	}
}

// A model that functions run is offered though a worker could not run it: the controller
// withholds one that no platform runs.
func TestFunctionsProveAModelThatAWorkerCannotRun(t *testing.T) {
	s, m := aStage(t, 1769)
	digest, err := proof.Digest(s.Current(), m)
	if err != nil {
		t.Fatal(err)
	}
	book := proof.Book{digest: {"linux/amd64": {At: time.Unix(1e9, 0), Why: "no such locale"}}}
	p, err := s.proof(t.Context(), patient(), platform.Backend{Invoker: &genericFunctions{}, Shared: &proofs{book: book}, Fleet: viewed{ready: 1}}, m)
	if err != nil || p.Why != "" || len(p.Latency) != 1 {
		t.Errorf("%+v, error %v", p, err)
	}
}

// What the stage would choose is shown for its ready workers and its functions: the model
// that was added is among it once it is offered.
func TestWhatAStageWouldChooseIsShown(t *testing.T) {
	s, m := aStage(t, 1769)
	for _, offered := range []bool{false, true} {
		if offered {
			if err := s.Prove("mine", m.SHA256, modelstore.Proof{}); err != nil {
				t.Fatal(err)
			}
		}
		for name, pools := range map[string][]selection.Pool{"a worker": {{InstanceType: "c5.large", Runners: 2}}, "functions alone": nil} {
			got := s.choicesOf("fashion", pools, settings.Defaults())
			if len(got) == 0 {
				t.Fatal("nothing is shown")
			}
			for _, c := range got {
				if c.Chosen == nil || c.Why == "" || pools == nil && c.Chosen.Resource.MemoryMB == 0 {
					t.Errorf("%s, %s: %+v, %s", name, c.Need, c.Chosen, c.Why)
				}
				if c.Chosen != nil && c.Chosen.Model == "mine" && !offered {
					t.Errorf("%s, %s: the model is chosen before its proof", name, c.Need)
				}
			}
		}
	}
	if got := s.choicesOf("nothing", nil, settings.Defaults()); got[0].Chosen != nil || !strings.Contains(got[0].Why, "nothing") {
		t.Errorf("of no task: %+v", got[0])
	}
}
