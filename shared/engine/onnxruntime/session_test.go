package onnxruntime

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// library opens the library that Locate finds.
func library(t testing.TB) *Library {
	t.Helper()
	path, err := Locate()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lib.Close)
	return lib
}

func session(t testing.TB, lib *Library, model []byte) *Session {
	t.Helper()
	s, err := lib.NewSession(model, SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestLibraryDescribesItself(t *testing.T) {
	lib := library(t)
	if lib.Version() != "1.24.3" || !filepath.IsAbs(lib.Path()) {
		t.Errorf("version %q at %q", lib.Version(), lib.Path())
	}
}

func TestSession(t *testing.T) {
	s := session(t, library(t), enginetest.Affine(3, -1, -1, 2, -1))
	if got := s.Input(); got.Name != "x" || !slices.Equal(got.Shape, []int64{-1, 2, -1}) {
		t.Errorf("input %+v", got)
	}
	if got := s.Output(); got.Name != "y" || !slices.Equal(got.Shape, []int64{-1, 2, -1}) {
		t.Errorf("output %+v", got)
	}
	for _, shape := range [][]int64{{1, 2, 1}, {3, 2, 2}, {2, 2, 5}} {
		n, err := tensor.Elements(shape)
		if err != nil {
			t.Fatal(err)
		}
		in := tensor.Tensor{Shape: shape, Data: make([]float32, n)}
		for i := range in.Data {
			in.Data[i] = float32(i)
		}
		out, err := s.Run(in)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Shape, shape) {
			t.Fatalf("shape %v, want %v", out.Shape, shape)
		}
		for i, v := range out.Data {
			if v != 3*float32(i)-1 {
				t.Errorf("shape %v: element %d is %v", shape, i, v)
			}
		}
	}
}

// Two libraries and two sessions at once do not know of each other.
func TestSessionsAreApart(t *testing.T) {
	a := session(t, library(t), enginetest.Affine(2, 0, 1))
	b := session(t, library(t), enginetest.Affine(5, 0, 1))
	in := tensor.Tensor{Shape: []int64{1}, Data: []float32{1}}
	for range 3 {
		x, errA := a.Run(in)
		y, errB := b.Run(in)
		if errA != nil || errB != nil || x.Data[0] != 2 || y.Data[0] != 5 {
			t.Fatal(x, errA, y, errB)
		}
	}
}

func TestRunErrors(t *testing.T) {
	s := session(t, library(t), enginetest.Affine(1, 0, -1, 3))
	for want, in := range map[string]tensor.Tensor{
		"Got invalid dimensions for input": {Shape: []int64{1, 4}, Data: make([]float32, 4)},
		"Invalid rank for input":           {Shape: []int64{3}, Data: make([]float32, 3)},
		"has 3 elements, but there are 2":  {Shape: []int64{1, 3}, Data: make([]float32, 2)},
		"more than 8 dimensions":           {Shape: slices.Repeat([]int64{1}, 9), Data: make([]float32, 1)},
	} {
		if _, err := s.Run(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestModelsThatAreRefused(t *testing.T) {
	lib := library(t)
	nonsense := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{1}}},
		Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{1}}},
		Nodes:   []enginetest.Node{{Op: "Nonsense", Inputs: []string{"x"}, Outputs: []string{"y"}}},
	}
	for want, model := range map[string][]byte{
		"the model is empty":                       {},
		"create session: Failed to load model":     []byte("junk"),
		`input "in_1": get shape: it has 9 dim`:    enginetest.Identity([]enginetest.ElementType{enginetest.Float32}, 1, 1, 1, 1, 1, 1, 1, 1, 1),
		"create session: Exception during loading": enginetest.Identity([]enginetest.ElementType{14}, 1),
		"No Op registered for Nonsense":            nonsense.Bytes(),
	} {
		if _, err := lib.NewSession(model, SessionOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// residentBytes is how much memory the process holds apart from Go's garbage.
func residentBytes(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// What C allocates is released: outputs of a run, whole sessions.
func TestNothingLeaks(t *testing.T) {
	lib := library(t)
	s := session(t, lib, enginetest.Affine(2, 0, -1, 1<<16))
	in := tensor.Tensor{Shape: []int64{1, 1 << 16}, Data: make([]float32, 1<<16)}
	weights := enginetest.Linear([][]float32{make([]float32, 1<<18)}, 1<<18)
	for _, c := range []struct {
		name  string
		bytes int // that one would leave behind
		once  func() error
	}{
		{"runs", 1 << 18, func() error {
			_, err := s.Run(in)
			return err
		}},
		{"sessions", 1 << 20, func() error {
			s, err := lib.NewSession(weights, SessionOptions{})
			if err == nil {
				s.Close()
			}
			return err
		}},
	} {
		const warm, measured = 100, 500
		before := 0
		for i := range warm + measured {
			if i == warm {
				before = residentBytes(t)
			}
			if err := c.once(); err != nil {
				t.Fatal(err)
			}
		}
		// The allocator's arenas still grow a little, up to a plateau; a leak
		// would leave all of it behind.
		if grown := residentBytes(t) - before; grown > measured*c.bytes/2 {
			t.Errorf("%d %s of %d KiB left %d MiB behind", measured, c.name, c.bytes>>10, grown>>20)
		}
	}
}
