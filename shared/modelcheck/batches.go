package modelcheck

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/measure"
)

// batchTimes is enough to see whether a batch pays. It is by a clock that does not run while
// others have the processor.
var batchTimes = timing{warm: 1, least: 6, most: 200, usual: 500 * time.Millisecond, longest: 3 * time.Second, clock: measure.ThreadCPU}

// InBatches are the rows of a profile for times of batches. source says where that of one
// batch is found.
func InBatches(times []profile.BatchTime, source func(t profile.BatchTime) profile.Source) (rows []profile.Latency) {
	for _, t := range times {
		rows = append(rows, profile.Latency{Resource: "reference", Threads: 1, Batch: t.Batch, MS: t.MS, Source: source(t)})
	}
	return rows
}

// batched times a model that was checked in batches, whose answers must be those of single
// queries, up to the first batch that is hardly faster for each query.
func (r *Report) batched(ctx context.Context, onnx []byte) (err error) {
	if 2*r.MS.P50 > profile.LongestBatchMS {
		r.note("Its queries are not batched: one query takes %.1f s.", r.MS.P50/1000)
		return nil
	}
	c, err := r.open(ctx, 1, onnx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r.Batches, err = timedBatches(r.MS, profile.BatchSizes(), func(n int) ([]float64, error) {
		each, err := c.different(n)
		if err == nil {
			err = measure.Agree(ctx, onnx, c.model, c.text, each)
		}
		if err != nil {
			return nil, err
		}
		return batchTimes.ratios(ctx, answers(c.model, c.inputs), func(ctx context.Context) error {
			each, err := c.alike(n)
			if err == nil {
				_, err = answer.RunTogether(ctx, c.model, c.text, each)
			}
			return err
		})
	})
	if errors.Is(err, measure.ErrNotBatched) {
		r.Batches = nil
		r.note("Its queries are not batched: %s.", withoutPlaces(err.Error()))
		return nil
	}
	return err
}

// leastRatios are as many as show whether a batch pays. A model that is too slow for them is
// not run in such batches.
const leastRatios = 3

// fasterBy is how long a query takes in a batch, relative to the batch before, for larger ones
// to be measured.
const fasterBy = 0.95

// timedBatches times batches of more and more queries, up to the first that is hardly faster
// for each query than the one before. alone is the time of one query, and ratios are how many
// times as long a batch took.
func timedBatches(alone profile.Percentiles, sizes []int, ratios func(n int) ([]float64, error)) (out []profile.BatchTime, err error) {
	each := 1.0 // of the time of a query alone
	for _, n := range sizes {
		if float64(n)*alone.P50 > profile.LongestBatchMS {
			return out, nil
		}
		all, err := ratios(n)
		if err != nil {
			return out, err
		}
		if len(all) < leastRatios {
			return out, nil
		}
		slices.Sort(all)
		ratio := all[len(all)/2]
		out = append(out, profile.BatchTime{Batch: n, MS: alone.Scaled(ratio), Samples: len(all)})
		if ratio/float64(n) > each*fasterBy {
			return out, nil
		}
		each = ratio / float64(n)
	}
	return out, nil
}

// ratios runs one query and a batch in turns, on one thread, and returns how many times as
// long as the query each batch took: what slows the machine down slows both.
func (t timing) ratios(ctx context.Context, one, batch func(context.Context) error) (all []float64, err error) {
	var alone []time.Duration
	both, err := t.of(ctx, func(ctx context.Context) error {
		start := t.clock()
		err := one(ctx)
		alone = append(alone, t.clock()-start)
		if err == nil {
			err = batch(ctx)
		}
		return err
	})
	alone = alone[len(alone)-len(both):] // without the first, which are not kept
	for i := range both {
		all = append(all, float64(both[i]-alone[i])/float64(max(alone[i], 1)))
	}
	return all, err
}

// opened is a model that was checked, in an engine of its own.
type opened struct {
	*engine.Engine
	model  *engine.Model
	text   *answer.Text // nil unless it takes text
	inputs func() ([]tensors.Tensor, error)
}

// open loads a model that was checked, on the given number of threads.
func (r *Report) open(ctx context.Context, threads int, onnx []byte) (o opened, err error) {
	if o.Engine, err = engine.New(engine.Options{Runners: 1}); err != nil {
		return o, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	if o.model, err = o.Load(ctx, "checked", onnx, threads); err != nil {
		return o, notLoaded(cause(err))
	}
	if r.Text != nil {
		if o.text, err = answer.NewText(o.model.Takes(), onnx, *r.Text); err != nil {
			return o, err
		}
	}
	o.inputs, err = r.inputs(o.model, o.text, onnx)
	return o, err
}

// alike are the inputs of queries that are all the same.
func (o opened) alike(n int) (each [][]tensors.Tensor, err error) {
	for range n {
		given, err := o.inputs()
		if err != nil {
			return nil, err
		}
		each = append(each, given)
	}
	return each, nil
}

// different are the inputs of queries that differ.
func (o opened) different(n int) ([][]tensors.Tensor, error) {
	return measure.Different(n, o.text, func(int) string { return sampleText }, func(int) ([]tensors.Tensor, error) { return o.inputs() })
}
