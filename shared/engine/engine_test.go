package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"paragon/shared/engine/enginetest"
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
	m, err := e.Load(context.Background(), "test", onnx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRunComputes(t *testing.T) {
	m := load(t, open(t, Options{}), enginetest.Affine(2, 1, -1, 3))
	for _, n := range []int64{1, 2, 5} {
		in := Tensor{Shape: []int64{n, 3}, Data: make([]float32, n*3)}
		for i := range in.Data {
			in.Data[i] = float32(i)
		}
		out, err := m.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Shape) != 2 || out.Shape[0] != n || out.Shape[1] != 3 {
			t.Fatalf("shape %v", out.Shape)
		}
		for i, v := range out.Data {
			if v != 2*float32(i)+1 {
				t.Errorf("N=%d: element %d is %v", n, i, v)
			}
		}
	}
}

func TestErr(t *testing.T) {
	e := open(t, Options{})
	_, err := e.Load(context.Background(), "bad", []byte("junk"))
	t.Log(err)
	_, err = e.Load(context.Background(), "empty", nil)
	t.Log(err)
	if err == nil || !strings.Contains(err.Error(), "empty") || errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
