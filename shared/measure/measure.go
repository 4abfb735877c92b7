// Package measure finds out how long models take on this machine: the whole
// way from a query's input to the model's outputs, with percentiles and how
// sure they are, and a cold start apart from the warm runs.
package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// Subject is a model to be measured.
type Subject struct {
	Name    string
	ONNX    []byte
	Picture *profile.Input // of a model that takes pictures
	Text    *profile.Text  // of one that takes text; one with neither takes tensors
	Inputs  []query.Input  // one after another
	SHA256  string         // of the file, of a model that runs on generic functions
}

// Setting is one way to run a model.
type Setting struct {
	Threads     int // of one inference
	Batch       int // pictures of one inference; 1 of other inputs
	Concurrency int // callers at once
}

// Plan says how long each setting is measured.
type Plan struct {
	Warmup  int           // runs thrown away
	Samples int           // the most that are kept
	Budget  time.Duration // a setting ends early when this has passed and some samples are there
	// Now is the time of the measuring goroutine, which is locked to its
	// thread: Wall, or ThreadCPU where others share the machine.
	Now func() time.Duration
}

// reference is the resource that a figure has which stands for no other.
const reference = "reference"

// leastSamples are taken whatever the budget says: fewer have no p99.
const leastSamples = 200

// Measure runs a model in one setting.
func Measure(ctx context.Context, s Subject, set Setting, p Plan) (profile.Latency, error) {
	e, err := engine.New(engine.Options{Runners: min(set.Concurrency, runtime.NumCPU())})
	if err != nil {
		return profile.Latency{}, err
	}
	times, took, err := measureOn(ctx, e, s, set, p)
	if err = errors.Join(err, e.Close()); err != nil {
		return profile.Latency{}, fmt.Errorf("measure %s with %+v: %w", s.Name, set, err)
	}
	l := profile.Latency{Resource: reference, Threads: set.Threads, Batch: set.Batch, Concurrency: set.Concurrency}
	l.PerSecond = float64(len(times)*set.Batch) / took.Seconds()
	spread := profile.Confidence{}
	l.MS, spread = summarize(times)
	l.Confidence = &spread
	l.Source.Samples = len(times)
	return l, nil
}

// measureOn returns the time of each run and how long all took.
func measureOn(ctx context.Context, e *engine.Engine, s Subject, set Setting, p Plan) ([]time.Duration, time.Duration, error) {
	run, err := s.load(ctx, e, set.Threads)
	if err != nil {
		return nil, 0, err
	}
	var (
		wg      sync.WaitGroup
		results = make([][]time.Duration, set.Concurrency)
		errs    = make([]error, set.Concurrency)
		start   = time.Now()
	)
	for i := range set.Concurrency {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			results[i], errs[i] = caller(ctx, run, set, p, i)
		})
	}
	wg.Wait()
	took := time.Since(start)
	var all []time.Duration
	for _, r := range results {
		all = append(all, r...)
	}
	return all, took, errors.Join(errs...)
}

// runs answers a batch of a model's inputs, beginning with that number.
type runs func(ctx context.Context, batch, first int) error

// caller asks again and again, one input or batch after another.
func caller(ctx context.Context, run runs, set Setting, p Plan, first int) ([]time.Duration, error) {
	share := max(leastSamples, p.Samples/set.Concurrency)
	times := make([]time.Duration, 0, share)
	began := time.Now()
	for i := -p.Warmup; i < share; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := p.Now()
		if err := run(ctx, set.Batch, first+i+p.Warmup); err != nil {
			return nil, err
		}
		if i >= 0 {
			times = append(times, p.Now()-start)
		}
		if len(times) >= leastSamples && time.Since(began) > p.Budget {
			break
		}
	}
	return times, nil
}

// load loads the model, and returns how it answers.
func (s Subject) load(ctx context.Context, e *engine.Engine, threads int) (runs, error) {
	m, err := e.Load(ctx, s.Name, s.ONNX, threads)
	if err != nil {
		return nil, err
	}
	if s.Picture != nil {
		return func(ctx context.Context, batch, first int) error { return s.pictures(ctx, m, batch, first) }, nil
	}
	inputs := func(in query.Input) ([]tensors.Tensor, error) { return tensors.Unpack(in.Data) }
	if s.Text != nil {
		text, err := answer.NewText(m.Takes(), s.ONNX, *s.Text)
		if err != nil {
			return nil, err
		}
		inputs = func(in query.Input) ([]tensors.Tensor, error) { return text.Inputs(in.Data) }
	}
	return func(ctx context.Context, batch, first int) error {
		if batch != 1 {
			return errors.New("only pictures are measured in batches")
		}
		in, err := inputs(s.input(first))
		if err == nil {
			_, err = m.RunNamed(ctx, in)
		}
		return err
	}, nil
}

// input is that of a number, from the first again after the last.
func (s Subject) input(n int) query.Input { return s.Inputs[n%len(s.Inputs)] }

// pictures decodes a batch of pictures, and infers.
func (s Subject) pictures(ctx context.Context, m *engine.Model, batch, first int) error {
	var in engine.Tensor
	for i := range batch {
		picture := s.input(first*batch + i)
		one, err := preprocess.Decode(picture.ContentType, picture.Data, preprocess.Spec(*s.Picture), preprocess.Limits{})
		if err != nil {
			return err
		}
		if i == 0 {
			in = one
			continue
		}
		in.Data = append(in.Data, one.Data...)
		in.Shape[0] += one.Shape[0]
	}
	if m.Single() {
		_, err := m.Run(ctx, in)
		return err
	}
	x, err := tensors.Convert(tensors.FromFloats(m.InputName(), in.Shape, in.Data), m.Inputs()[0].Datatype)
	if err == nil {
		_, err = m.RunNamed(ctx, []tensors.Tensor{x})
	}
	return err
}
