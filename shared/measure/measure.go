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
	Batch       int // queries of one inference
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
	l, err := s.load(ctx, e, set.Threads)
	if err == nil && set.Batch > 1 {
		err = l.agree(ctx, set.Batch)
	}
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
			results[i], errs[i] = caller(ctx, l.run, set, p, i)
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

// loaded is a subject in an engine.
type loaded struct {
	Subject
	model *engine.Model
	text  *answer.Text // nil unless it takes text
}

// load loads the model.
func (s Subject) load(ctx context.Context, e *engine.Engine, threads int) (l loaded, err error) {
	l.Subject = s
	if l.model, err = e.Load(ctx, s.Name, s.ONNX, threads); err == nil && s.Text != nil {
		l.text, err = answer.NewText(l.model.Takes(), s.ONNX, *s.Text)
	}
	return l, err
}

// run answers a batch of the model's inputs, beginning with that number.
func (l loaded) run(ctx context.Context, batch, first int) error {
	if l.Picture != nil {
		return l.pictures(ctx, batch, first)
	}
	each := make([][]tensors.Tensor, batch)
	for i := range each {
		var err error
		if each[i], err = l.inputs(first*batch + i); err != nil {
			return err
		}
	}
	if batch > 1 {
		_, err := answer.RunTogether(ctx, l.model, l.text, each)
		return err
	}
	_, err := l.model.RunNamed(ctx, each[0])
	return err
}

// inputs are the model's, made of the input of a number.
func (l loaded) inputs(n int) ([]tensors.Tensor, error) {
	in := l.input(n)
	switch {
	case l.text != nil:
		return l.text.Inputs(in.Data)
	case l.Picture == nil:
		return tensors.Unpack(in.Data)
	}
	one, err := preprocess.Decode(in.ContentType, in.Data, preprocess.Spec(*l.Picture), preprocess.Limits{})
	if err != nil {
		return nil, err
	}
	x, err := tensors.Convert(tensors.FromFloats(l.model.InputName(), one.Shape, one.Data), l.model.Inputs()[0].Datatype)
	return []tensors.Tensor{x}, err
}

// agree finds out whether queries that share a run get the answers that they get alone.
func (l loaded) agree(ctx context.Context, batch int) error {
	each, err := Different(batch, l.text, func(i int) string { return string(l.input(i).Data) }, l.inputs)
	if err != nil {
		return err
	}
	return Agree(ctx, l.ONNX, l.model, l.text, each)
}

// input is that of a number, from the first again after the last.
func (s Subject) input(n int) query.Input { return s.Inputs[n%len(s.Inputs)] }

// pictures decodes a batch of pictures, and infers.
func (l loaded) pictures(ctx context.Context, batch, first int) error {
	var in engine.Tensor
	for i := range batch {
		picture := l.input(first*batch + i)
		one, err := preprocess.Decode(picture.ContentType, picture.Data, preprocess.Spec(*l.Picture), preprocess.Limits{})
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
	if l.model.Single() {
		_, err := l.model.Run(ctx, in)
		return err
	}
	x, err := tensors.Convert(tensors.FromFloats(l.model.InputName(), in.Shape, in.Data), l.model.Inputs()[0].Datatype)
	if err == nil {
		_, err = l.model.RunNamed(ctx, []tensors.Tensor{x})
	}
	return err
}
