package modelcheck

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
)

// Item is an input with the label that is right for it. Load reads it when its turn
// comes; Name says where it is, for messages.
type Item struct {
	Name, Label string
	Load        func() (query.Input, error)
}

// Tested is what a model and its task are called in an Answerer of it alone.
const Tested = "tested"

// onlyFile gives one model's file.
type onlyFile []byte

func (f onlyFile) ONNX(string) ([]byte, error) { return f, nil }

// Accuracy counts how many items a checked model labels rightly, through the engine
// as queries are answered, as many at once as there are processors. step is called
// after each, with how many are done. An item that cannot be answered ends it, by
// its name.
func Accuracy(ctx context.Context, onnx []byte, r Report, items []Item, step func(done int)) (correct int, err error) {
	if r.Kind != profile.Classify || r.Input == profile.TensorsIn {
		return 0, badf("option test", "measures only classifiers of pictures or text; this model has the kind of answer %s and the kind of input %s; if you know its accuracy, state it with --accuracy", r.Kind, r.Input)
	}
	known := map[string]bool{}
	for _, label := range r.Labels {
		known[label] = true
	}
	for _, i := range items {
		if !known[i.Label] {
			return 0, badf("option test", "has %s with the label %s, which is not one of the model's %d labels (for example %s)", i.Name, quote(i.Label), len(r.Labels), quote(r.Labels[0]))
		}
	}
	e, err := engine.New(engine.Options{})
	if err != nil {
		return 0, err
	}
	correct, err = count(ctx, Answerer(e, onnx, r), items, step)
	return correct, errors.Join(err, e.Close())
}

// Answerer answers with one checked model, under the name Tested, as a worker does.
func Answerer(e *engine.Engine, onnx []byte, r Report) *answer.Answerer {
	sum := sha256.Sum256(onnx)
	c := &profile.Catalogue{Name: Tested, Tasks: []profile.Task{{Name: Tested, Kind: r.Kind, Labels: r.Labels}},
		Models: []profile.Model{{Name: Tested, Task: Tested, File: Tested + ".onnx", SHA256: hex.EncodeToString(sum[:]),
			Input: r.Picture, Text: r.Text, Signature: r.Signature}}}
	return answer.New(e, c, onlyFile(onnx), answer.Memory{})
}

// count answers the items.
func count(ctx context.Context, a *answer.Answerer, items []Item, step func(int)) (int, error) {
	var right, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			label, err := answerItem(ctx, a, item)
			if err != nil {
				return fmt.Errorf("%s: %w", item.Name, err)
			}
			if label == item.Label {
				right.Add(1)
			}
			step(int(done.Add(1)))
			return nil
		})
	}
	err := g.Wait()
	return int(right.Load()), err
}

func answerItem(ctx context.Context, a *answer.Answerer, item Item) (string, error) {
	in, err := item.Load()
	if err != nil {
		return "", err
	}
	out, err := a.Answer(ctx, Tested, []query.Input{in})
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		return "", err
	}
	return out[0].Result.Label, nil
}
