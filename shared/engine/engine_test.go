package engine

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// open returns an engine that the test closes at its end.
func open(t testing.TB, opts Options) *Engine {
	t.Helper()
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// load loads a model that must load.
func load(t testing.TB, e *Engine, onnx []byte) *Model {
	t.Helper()
	m, err := e.Load(context.Background(), "test", onnx, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// vector is a tensor of shape [1, len(data)].
func vector(data ...float32) Tensor {
	return Tensor{Shape: []int64{1, int64(len(data))}, Data: data}
}

func TestRunComputes(t *testing.T) {
	m, err := open(t, Options{}).Load(context.Background(), "test", enginetest.Affine(2, 1, -1, 3), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 2, 5} {
		in := Tensor{Shape: []int64{n, 3}, Data: make([]float32, n*3)}
		for i := range in.Data {
			in.Data[i] = float32(i)
		}
		out, err := m.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Shape, []int64{n, 3}) {
			t.Fatalf("shape %v", out.Shape)
		}
		for i, v := range out.Data {
			if v != 2*float32(i)+1 {
				t.Errorf("N=%d: element %d is %v", n, i, v)
			}
		}
	}
}

func TestModelDescribesItself(t *testing.T) {
	e := open(t, Options{Runners: 3})
	m := load(t, e, enginetest.Linear([][]float32{{1, 0}, {0, 1}, {1, 1}}, 1, 2))
	if got := m.InputShape(); !slices.Equal(got, []int64{-1, 1, 2}) {
		t.Errorf("input shape %v", got)
	}
	if got := m.OutputShape(); !slices.Equal(got, []int64{-1, 3}) {
		t.Errorf("output shape %v", got)
	}
	m.InputShape()[0] = 7 // the caller's copy
	if m.InputShape()[0] != -1 || m.Name() != "test" || m.InputName() != "input" || m.OutputName() != "probabilities" {
		t.Errorf("%v, %q, %q, %q", m.InputShape(), m.Name(), m.InputName(), m.OutputName())
	}
	if e.Runners() != 3 || !strings.HasPrefix(e.LibraryVersion(), "1.") {
		t.Errorf("%d runners, library %q", e.Runners(), e.LibraryVersion())
	}
}

func TestNewRefuses(t *testing.T) {
	for want, opts := range map[string]Options{
		"runners -1":               {Runners: -1},
		"no such file or director": {LibraryPath: t.TempDir() + "/none.so"},
	} {
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	t.Setenv("PARAGON_ORT_LIB", t.TempDir()+"/none.so")
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "PARAGON_ORT_LIB") {
		t.Errorf("no library: %v", err)
	}
	if e := open(t, Options{LibraryPath: libraryPath(t)}); e.Runners() != runtime.GOMAXPROCS(0) {
		t.Errorf("%d runners by default", e.Runners())
	}
}

func TestLoadRefusesWhatIsNoModel(t *testing.T) {
	e := open(t, Options{})
	for want, onnx := range map[string][]byte{
		`load model "bad": create session: `: []byte("junk"),
		"the model is empty":                 nil,
	} {
		for range 2 { // a failure is forgotten: the second is no other
			if _, err := e.Load(context.Background(), "bad", onnx, 1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Load(ctx, "late", enginetest.Affine(1, 0, 1), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLoadOnce(t *testing.T) {
	e := open(t, Options{})
	onnx := enginetest.Affine(2, 0, -1, 1)
	models := make([]*Model, 16)
	var group sync.WaitGroup
	for i := range models {
		group.Go(func() { models[i] = load(t, e, slices.Clone(onnx)) })
	}
	group.Wait()
	for _, m := range models {
		if m != models[0] {
			t.Fatal("loaded twice")
		}
	}
	other := load(t, e, enginetest.Affine(3, 0, -1, 1))
	if other == models[0] {
		t.Error("other bytes gave the same model")
	}
	other.Close()
	other.Close()
	if _, err := other.Run(context.Background(), vector(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("run of a closed model: %v", err)
	}
	again := load(t, e, enginetest.Affine(3, 0, -1, 1))
	if out, err := again.Run(context.Background(), vector(2)); err != nil || out.Data[0] != 6 {
		t.Errorf("loaded anew: %v, %v", out, err)
	}
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	m := load(t, open(t, Options{}), enginetest.Affine(1, 0, -1, 3))
	inf := float32(math.Inf(1))
	for want, in := range map[string]Tensor{
		"shape: shape [3] has 1 dimensions, the model takes 2: [any, 3]":              {Shape: []int64{3}, Data: make([]float32, 3)},
		"shape: dimension 1 of shape [1, 4] is 4, the model takes 3: [any, 3]":        vector(1, 2, 3, 4),
		"shape: shape [2 3] has 6 elements, but there are 3":                          {Shape: []int64{2, 3}, Data: make([]float32, 3)},
		"shape: dimension 0 of shape [0 3] is 0, below 1":                             {Shape: []int64{0, 3}},
		"shape: dimension 0 of shape [-1 3] is -1, below 1":                           {Shape: []int64{-1, 3}},
		"shape: shape [4611686018427387904 3] has more than 2147483648 elements":      {Shape: []int64{1 << 62, 3}},
		`model "test": data: element 1 is NaN, not a finite number`:                   vector(1, inf-inf, 3),
		`model "test": data: element 2 is -Inf, not a finite number`:                  vector(1, 2, -inf),
		`model "test": shape: shape [] has 0 dimensions, the model takes 2: [any, 3]`: {},
	} {
		_, err := m.Run(context.Background(), in)
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
