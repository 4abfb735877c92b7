package engine

import (
	"context"
	"testing"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
)

// BenchmarkRun is the overhead of a run: the model has one element.
func BenchmarkRun(b *testing.B) {
	m := load(b, open(b, Options{}), enginetest.Affine(2, 1, -1, 1))
	in := vector(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRunParallel is the same from as many goroutines as there are runners.
func BenchmarkRunParallel(b *testing.B) {
	m := load(b, open(b, Options{}), enginetest.Affine(2, 1, -1, 1))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		in := vector(1)
		for pb.Next() {
			if _, err := m.Run(context.Background(), in); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRunPicture is a run on 224x224 RGB that copies the picture out.
func BenchmarkRunPicture(b *testing.B) {
	m := load(b, open(b, Options{}), enginetest.Affine(2, 1, -1, 3, 224, 224))
	in := Tensor{Shape: []int64{1, 3, 224, 224}, Data: make([]float32, 3*224*224)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyDigest is what the check of the library adds to a cold start.
func BenchmarkVerifyDigest(b *testing.B) {
	path := libraryPath(b)
	for b.Loop() {
		if err := onnxruntime.VerifyDigest(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad is a session of a tiny model, made and closed.
func BenchmarkLoad(b *testing.B) {
	e := open(b, Options{})
	onnx := enginetest.Affine(2, 1, -1, 1)
	for b.Loop() {
		load(b, e, onnx).Close()
	}
}
