package measure

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// lambda is a test server: each of its environments is cold once.
type lambda struct {
	mu          sync.Mutex
	most        int // environments
	busy, warm  int
	arrive      func() // called by each run under way
	names       map[string]int
	fails       *query.Failure
	faultsAfter int // runs; 0 means never
	runs        int
	threads     int // that a run says that it has
}

func (l *lambda) Invoke(_ context.Context, function string, payload []byte) (platform.Invocation, error) {
	var req inference.Request
	if err := json.Unmarshal(payload, &req); err != nil || len(req.Input.Data) == 0 {
		return platform.Invocation{}, errors.New("no request")
	}
	cold, err := l.begin(function)
	if err != nil {
		return platform.Invocation{}, err
	}
	if l.arrive != nil {
		l.arrive()
	}
	defer l.end()
	res := inference.Response{ComputeMS: 4, Threads: l.threads, Error: l.fails}
	inv := platform.Invocation{BilledMS: 5}
	if cold {
		res.ComputeMS, inv.InitMS = 10, 300
	}
	inv.Payload, err = json.Marshal(res)
	return inv, err
}

func (l *lambda) begin(function string) (cold bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs++; l.faultsAfter > 0 && l.runs > l.faultsAfter {
		return false, platform.ErrFault
	}
	if l.busy == l.most {
		return false, platform.ErrThrottled
	}
	if l.names == nil {
		l.names = map[string]int{}
	}
	l.names[function]++
	l.busy++
	if l.busy > l.warm {
		l.warm, cold = l.busy, true
	}
	return cold, nil
}

func (l *lambda) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
}

func functionJob(l *lambda) FunctionJob {
	return FunctionJob{
		Invoker: l, Subjects: []Subject{{Name: "four", Inputs: []query.Input{{ContentType: "image/png", Data: []byte{1}}, {ContentType: "image/png", Data: []byte{2}}}}}, MemoryMB: []int{512}, Arch: "arm64",
		Plan: Plan{Warmup: 3, Samples: 300, Budget: time.Hour, Now: Wall}, Hardware: "a test server", File: "x/lambda.json",
		Today: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Tick: func(string) {},
	}
}

// together makes n runs meet before any of them ends.
func together(n int) func() {
	var all sync.WaitGroup
	all.Add(n)
	left := n
	var mu sync.Mutex
	return func() {
		mu.Lock()
		first := left > 0
		left--
		mu.Unlock()
		if first {
			all.Done()
			all.Wait()
		}
	}
}

func TestFunctionsAreMeasuredColdApartFromWarm(t *testing.T) {
	l := &lambda{most: 8, arrive: together(5)}
	j := functionJob(l)
	j.ColdRuns = 5
	r, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := r.Models[0].Latency[0]
	if got.Resource != "lambda-arm64" || got.MemoryMB != 512 || got.MS.P50 != 4 || got.MS.P99 != 4 || got.Source.Samples != 300 {
		t.Errorf("warm: %+v", got)
	}
	if got.ColdMS == nil || got.ColdMS.P50 != 306 || got.ColdSource.Samples != 5 || got.ColdSource.Column != "cold_ms" {
		t.Errorf("cold: %+v by %+v", got.ColdMS, got.ColdSource)
	}
	if s := got.Source; s.Row != "name=four,resource=lambda-arm64,memory_mb=512" || s.File != "x/lambda.json" || s.Date != "2026-11-23" || !strings.Contains(s.Note, "5.00 ms billed") {
		t.Errorf("source: %+v", s)
	}
	if n := l.names["inference-four-512"]; n != 5+3+300 {
		t.Errorf("asked %d times, functions %v", n, l.names)
	}
}

// The figure is of as many threads as the function says that its runs have.
func TestFunctionsSayTheirThreads(t *testing.T) {
	for said, want := range map[int]int{0: 1, 2: 2} {
		j := functionJob(&lambda{most: 1, threads: said})
		j.ColdRuns = 1
		r, err := j.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Models[0].Latency[0].Threads; got != want {
			t.Errorf("%d said, %d threads in the profile", said, got)
		}
	}
}

// An account that allows less at once gives fewer cold starts, and says so.
func TestThrottledColdStartsAreCounted(t *testing.T) {
	held := make(chan struct{})
	inside := make(chan struct{}, 1)
	l := &lambda{most: 1, arrive: func() { inside <- struct{}{}; <-held }}
	f := functionRuns{invoker: l, name: "f", subject: functionJob(l).Subjects[0]}
	g := f
	done := make(chan error)
	go func() { done <- f.burst(t.Context(), 1) }()
	<-inside
	if err := g.burst(t.Context(), 3); err != nil || g.throttled != 3 || len(g.colds) != 0 {
		t.Errorf("with no room: %d throttled, %d cold, error %v", g.throttled, len(g.colds), err)
	}
	close(held)
	if err := <-done; err != nil || len(f.colds) != 1 {
		t.Errorf("%d cold, error %v", len(f.colds), err)
	}
}

func TestFunctionFaultsEndTheMeasurement(t *testing.T) {
	for name, l := range map[string]*lambda{
		"a fault":         {most: 1, faultsAfter: 20},
		"a failed answer": {most: 1, fails: &query.Failure{Code: query.ModelFault, Detail: "gone"}},
		"never any room":  {most: 0},
	} {
		if _, err := functionJob(l).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "four at 512 MB") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASpentBudgetEndsTheWarmRuns(t *testing.T) {
	l := &lambda{most: 1}
	j := functionJob(l)
	j.Plan.Samples, j.Plan.Budget = 100_000, 0
	r, err := j.Run(t.Context())
	if err != nil || r.Models[0].Latency[0].Source.Samples != leastSamples {
		t.Errorf("%+v, error %v", r, err)
	}
}
