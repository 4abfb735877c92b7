package answer_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// counted counts how often a model's file is asked for.
type counted struct {
	answer.Models
	mu    sync.Mutex
	asked map[string]int
	away  string // the model whose file cannot be had
}

var errAway = errors.New("the bucket is away")

func (c *counted) ONNX(name string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[name]++
	if name == c.away {
		return nil, errAway
	}
	return c.Models.ONNX(name)
}

// Within a bound that holds two models the one that was used least recently is
// unloaded for a third, and loaded again when it is asked for.
func TestTheLeastRecentlyUsedModelIsUnloaded(t *testing.T) {
	e, set, c := open(t)
	files := &counted{Models: set, asked: map[string]int{}}
	a := answer.New(e, c, files, answer.Memory{MaxBytes: 20 << 20})
	in := []query.Input{picture(t, set, 0)}
	for _, name := range []string{"mlp", "cnn-small", "mlp", "logistic", "mlp", "cnn-small"} {
		if out, err := a.Answer(t.Context(), name, in); err != nil || out[0].Err != nil {
			t.Fatalf("%s: %v %v", name, err, out)
		}
	}
	for name, want := range map[string]int{"mlp": 1, "cnn-small": 2, "logistic": 1} {
		if files.asked[name] != want {
			t.Errorf("%s was loaded %d times, want %d", name, files.asked[name], want)
		}
	}
}

// Many at once, on more models than fit, all get their answer.
func TestMoreModelsThanFitAreAnsweredAtOnce(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{MaxBytes: 10 << 20})
	in := []query.Input{picture(t, set, 0)}
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			name := []string{"mlp", "cnn-small", "logistic"}[i%3]
			if out, err := a.Answer(t.Context(), name, in); err != nil || out[0].Err != nil {
				t.Errorf("%s: %v %v", name, err, out)
			}
		})
	}
	all.Wait()
}

func TestAModelAboveTheBoundIsNamed(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{MaxBytes: 1 << 20})
	_, err := a.Answer(t.Context(), model, []query.Input{picture(t, set, 0)})
	if f := answer.Failure(err); f.Code != query.ModelFault || !strings.Contains(f.Detail, "1 MB") || !strings.Contains(f.Detail, model) {
		t.Errorf("%+v", f)
	}
}

// Where one model may always be loaded, one above the bound is, and alone.
func TestAModelAboveTheBoundMayBeLoadedAlone(t *testing.T) {
	e, set, c := open(t)
	files := &counted{Models: set, asked: map[string]int{}}
	a := answer.New(e, c, files, answer.Memory{MaxBytes: 1 << 20, Alone: true})
	in := []query.Input{picture(t, set, 0)}
	for _, name := range []string{"mlp", "mlp", "logistic", "mlp"} {
		if out, err := a.Answer(t.Context(), name, in); err != nil || out[0].Err != nil {
			t.Fatalf("%s: %v %v", name, err, out)
		}
	}
	if files.asked["mlp"] != 2 || files.asked["logistic"] != 1 {
		t.Errorf("loaded %v times", files.asked)
	}
}

// Prepare begins a load ahead of a query, says how long it takes until it is
// over, and a load that fails is reported and not begun over and over.
func TestPrepare(t *testing.T) {
	e, set, c := open(t)
	failed := make(chan string, 10)
	files := &counted{Models: set, asked: map[string]int{}, away: "mlp"}
	a := answer.New(e, c, files, answer.Memory{Failed: func(model string, err error) {
		if errors.Is(err, errAway) {
			failed <- model
		}
	}})
	if left := a.Prepare(model); left <= 0 {
		t.Errorf("%v ms are left of a load that began", left)
	}
	if err := a.Warm(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	if left := a.Prepare(model); left != 0 || a.Loading() || files.asked[model] != 1 {
		t.Errorf("%v ms are left of a model that is loaded, asked for %d times", left, files.asked[model])
	}
	a.Prepare("mlp")
	if got := <-failed; got != "mlp" {
		t.Errorf("%s was reported", got)
	}
	if left := a.Prepare("mlp"); left != 0 || files.asked["mlp"] != 1 {
		t.Errorf("a load that failed is begun again, %v ms", left)
	}
	if left := a.Prepare("unknown"); left != 0 {
		t.Errorf("an unknown model is awaited for %v ms", left)
	}
}

// A load leaves nothing of a large network's bytes to the collector, which would let garbage
// grow to a multiple of them.
func TestALoadedNetworkIsNotGarbage(t *testing.T) {
	e, _, _ := open(t)
	path := filepath.Join(t.TempDir(), "m.onnx")
	const side = 2048
	onnx := enginetest.Dense(rand.New(rand.NewPCG(1, 2)), side, side)
	c, _ := own(onnx, profile.Embed, nil, profile.Signature{
		Inputs: []tensors.Spec{{Name: "x", Datatype: tensors.FP32, Shape: []int64{-1, side}}}, Answer: "y"})
	if err := os.WriteFile(path, onnx, 0o600); err != nil {
		t.Fatal(err)
	}
	size := uint64(len(onnx))
	onnx = nil
	a := answer.New(e, c, models(func(string) ([]byte, error) { return os.ReadFile(path) }), answer.Memory{})
	if err := a.Warm(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if after.HeapAlloc >= size {
		t.Errorf("%d bytes live or are garbage after a network of %d was loaded", after.HeapAlloc, size)
	}
}
