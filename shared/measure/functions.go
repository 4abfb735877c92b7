package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Invoker runs inference functions: part of platform.Invoker.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) (platform.Invocation, error)
}

// FunctionJob measures inference functions where they are deployed, at each of
// their sizes: what they compute warm, by their own account, and apart from it
// what a cold start adds.
type FunctionJob struct {
	Invoker  Invoker
	Subjects []Subject
	MemoryMB []int
	Arch     string // of the functions: "x86_64" or "arm64"
	// ColdRuns are asked for at once, so that each starts an environment, as
	// far as there is room; 0 leaves cold starts out.
	ColdRuns int
	Plan     Plan // of the warm runs; its clock counts the budget
	Hardware string
	File     string // that the report goes to, below the profiles folder
	Today    time.Time
	// Tick is called after each size of each model, Steps times in all.
	Tick func(what string)
}

// Runs bounds how many runs a size of a model takes.
func (j FunctionJob) Runs() (cold, warm int) {
	return j.ColdRuns, j.Plan.Warmup + max(j.Plan.Samples, leastSamples)
}

// ErrNoAnswer says that a function ran a model and gave a failure for an answer.
var ErrNoAnswer = errors.New("the function failed")

// Steps is how often Tick is called.
func (j FunctionJob) Steps() int { return len(j.Subjects) * len(j.MemoryMB) }

// Run measures every model at every size.
func (j FunctionJob) Run(ctx context.Context) (Report, error) {
	r := Report{Date: j.Today.Format(time.DateOnly), Hardware: j.Hardware, LoadAverage: loadAverage(), Clock: "function", Go: runtime.Version()}
	for _, s := range j.Subjects {
		m := Model{Name: s.Name}
		for _, mb := range j.MemoryMB {
			l, err := j.one(ctx, s, mb)
			if err != nil {
				return Report{}, fmt.Errorf("measure %s at %d MB: %w", s.Name, mb, err)
			}
			m.Latency = append(m.Latency, l)
			j.Tick(fmt.Sprintf("%s at %d MB", s.Name, mb))
		}
		r.Models = append(r.Models, m)
	}
	return r, nil
}

// one measures a function: the cold starts first, as they leave it warm.
func (j FunctionJob) one(ctx context.Context, s Subject, memoryMB int) (profile.Latency, error) {
	f := functionRuns{invoker: j.Invoker, name: inference.FunctionName(s.Name, memoryMB), subject: s}
	if s.SHA256 != "" {
		f.name = inference.GenericName(memoryMB)
	}
	if err := f.burst(ctx, j.ColdRuns); err != nil {
		return profile.Latency{}, err
	}
	if err := f.warm(ctx, j.Plan); err != nil {
		return profile.Latency{}, err
	}
	l := profile.Latency{Resource: "lambda-" + j.Arch, MemoryMB: memoryMB, Threads: max(1, f.threads), Batch: 1}
	spread := profile.Confidence{}
	l.MS, spread = summarize(f.warmTimes)
	l.Confidence = &spread
	l.Source = profile.Source{
		Kind: "measured", File: j.File, Row: "name=" + s.Name + "," + settingOf(l), Column: "ms", Hardware: j.Hardware,
		Samples: len(f.warmTimes), Date: j.Today.Format(time.DateOnly),
		Note: fmt.Sprintf("input to answer, by the function's own clock; %.2f ms billed a warm run", f.billedMS/float64(len(f.warmTimes))),
	}
	f.addCold(&l)
	return l, nil
}

// functionRuns are the runs of one function.
type functionRuns struct {
	invoker   Invoker
	name      string
	subject   Subject
	warmTimes []time.Duration
	billedMS  float64   // of the warm runs together
	threads   int       // of a run, by the function's own account
	colds     []coldRun // each the first of an environment
	throttled int
}

// coldRun is the first run of an environment.
type coldRun struct{ initMS, computeMS float64 }

// startMS is what a run took to start: its environment, and the model's fetch and load
// where that is no part of it.
func startMS(inv platform.Invocation, res inference.Response) float64 { return inv.InitMS + res.LoadMS }

// run asks once, with one input after another.
func (f *functionRuns) run(ctx context.Context, n int) (platform.Invocation, inference.Response, error) {
	var res inference.Response
	payload, err := json.Marshal(inference.Request{
		Model: f.subject.Name, SHA256: f.subject.SHA256,
		Input: f.subject.input(n),
	})
	if err != nil {
		return platform.Invocation{}, res, err
	}
	inv, err := f.invoker.Invoke(ctx, f.name, payload)
	if err != nil {
		return inv, res, err
	}
	if err := json.Unmarshal(inv.Payload, &res); err != nil {
		return inv, res, fmt.Errorf("read the function's answer: %w", err)
	}
	if res.Error != nil {
		return inv, res, fmt.Errorf("%w: %s: %s", ErrNoAnswer, res.Error.Code, res.Error.Detail)
	}
	return inv, res, nil
}

// burst asks n times at once and keeps the cold runs. What was throttled has
// no environment and counts for nothing.
func (f *functionRuns) burst(ctx context.Context, n int) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for i := range n {
		all.Go(func() {
			inv, res, err := f.run(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, platform.ErrThrottled):
				f.throttled++
			case err != nil:
				errs = append(errs, err)
			case startMS(inv, res) > 0:
				f.colds = append(f.colds, coldRun{startMS(inv, res), res.ComputeMS})
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// mostThrottled is how many warm runs in a row may find no room.
const mostThrottled = 100

// warm asks one after another until there are samples enough.
func (f *functionRuns) warm(ctx context.Context, p Plan) error {
	began, refused := p.Now(), 0
	for i := 0; len(f.warmTimes) < max(p.Samples, leastSamples); i++ {
		if len(f.warmTimes) >= leastSamples && p.Now()-began > p.Budget {
			return nil
		}
		inv, res, err := f.run(ctx, i)
		if errors.Is(err, platform.ErrThrottled) && refused < mostThrottled && ctx.Err() == nil {
			refused++
			continue
		}
		if err != nil {
			return err
		}
		refused = 0
		switch {
		case startMS(inv, res) > 0:
			f.colds = append(f.colds, coldRun{startMS(inv, res), res.ComputeMS})
		case i >= p.Warmup:
			f.warmTimes = append(f.warmTimes, time.Duration(res.ComputeMS*float64(time.Millisecond)))
			f.billedMS += inv.BilledMS
			f.threads = res.Threads
		}
	}
	return nil
}

// addCold adds what a cold start adds: its initialization, and by how much its
// first run is longer than a warm one.
func (f *functionRuns) addCold(l *profile.Latency) {
	if len(f.colds) == 0 {
		return
	}
	times := make([]time.Duration, len(f.colds))
	for i, c := range f.colds {
		times[i] = time.Duration((c.initMS + max(0, c.computeMS-l.MS.P50)) * float64(time.Millisecond))
	}
	cold, spread := summarize(times)
	l.ColdMS = &cold
	src := l.Source
	src.Column, src.Samples = "cold_ms", len(times)
	src.Note = fmt.Sprintf("initialization, and what the first run takes longer; 95 %% confidence of the p50 %.1f to %.1f ms; %d throttled",
		spread.P50[0], spread.P50[1], f.throttled)
	l.ColdSource = &src
}
