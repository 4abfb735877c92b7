package query

import (
	"bytes"
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// How near the results of two builds of a model are that agree: as far apart as builds
// in half precision and in eight bits come on inputs that both treat alike.
const (
	leastCosine   = 0.99
	mostApart     = 1e-2 // of a number of a tensor, as a part of the other
	mostApartZero = 1e-3 // and in addition, near 0
)

// Agrees says whether two versions of a model answer alike: with the same class, or of
// every row; with embeddings of about the same direction; or with outputs of the same
// names, types and shapes whose numbers are about the same.
func (r Result) Agrees(o Result) bool {
	switch {
	case len(r.Embedding) > 0 || len(o.Embedding) > 0:
		return cosine(r.Embedding, o.Embedding) >= leastCosine
	case len(r.Rows) > 0 || len(o.Rows) > 0:
		return slices.EqualFunc(r.Rows, o.Rows, func(a, b Row) bool { return a.Index == b.Index && a.Label == b.Label })
	case len(r.Top) > 0 || len(o.Top) > 0:
		return r.Index == o.Index && r.Label == o.Label
	}
	return slices.EqualFunc(r.Outputs, o.Outputs, sameTensor)
}

// cosine is that of two vectors, 0 of those that have none.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// sameTensor compares two outputs: floating-point numbers with a tolerance, anything
// else byte by byte.
func sameTensor(a, b tensors.Tensor) bool {
	if a.Name != b.Name || a.Datatype != b.Datatype || !slices.Equal(a.Shape, b.Shape) {
		return false
	}
	if bytes.Equal(a.Data, b.Data) {
		return true
	}
	x, floats := a.Floats()
	y, _ := b.Floats()
	return floats && slices.EqualFunc(x, y, func(a, b float32) bool {
		d := math.Abs(float64(a) - float64(b))
		return d <= mostApartZero+mostApart*math.Abs(float64(b))
	})
}
