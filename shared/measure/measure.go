// Package measure finds out how long models take on this machine: the whole
// way from an encoded picture to the class scores, with percentiles and how
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
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// Subject is a model to be measured.
type Subject struct {
	Name     string
	ONNX     []byte
	Input    profile.Input
	Pictures [][]byte // encoded, of the content type
	Type     string   // content type of the pictures
	SHA256   string   // of the file, of a model that runs on generic functions
}

// Setting is one way to run a model.
type Setting struct {
	Threads     int // of one inference
	Batch       int // pictures of one inference
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
	m, err := e.Load(ctx, s.Name, s.ONNX, set.Threads)
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
			results[i], errs[i] = caller(ctx, m, s, set, p, i)
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

// caller asks again and again, one picture or batch after another.
func caller(ctx context.Context, m *engine.Model, s Subject, set Setting, p Plan, first int) ([]time.Duration, error) {
	share := max(leastSamples, p.Samples/set.Concurrency)
	times := make([]time.Duration, 0, share)
	began := time.Now()
	for i := -p.Warmup; i < share; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := p.Now()
		if err := runOnce(ctx, m, s, set.Batch, first+i+p.Warmup); err != nil {
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

// runOnce decodes a batch of pictures, beginning with that number, and infers.
func runOnce(ctx context.Context, m *engine.Model, s Subject, batch, first int) error {
	var in engine.Tensor
	for i := range batch {
		picture := s.Pictures[(first*batch+i)%len(s.Pictures)]
		one, err := preprocess.Decode(s.Type, picture, preprocess.Spec(s.Input), preprocess.Limits{})
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
	_, err := m.Run(ctx, in)
	return err
}
