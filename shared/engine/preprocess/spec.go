package preprocess

import (
	"sync"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// Spec says what tensor a model takes, as its profile has it: the size and order of it, and
// what becomes of a pixel. Channel by channel a pixel p of 0..255 turns into
//
//	(p*Scale - Mean) / Std
//
// in float32, where p*Scale is rounded once: with the default scale it is
// float32(p)/255, bit for bit.
type Spec profile.Input

// Shape is the shape of the tensor for one picture.
func (s Spec) Shape() []int64 {
	c, h, w := int64(s.Channels), int64(s.Height), int64(s.Width)
	if s.Layout == profile.NHWC {
		return []int64{1, h, w, c}
	}
	return []int64{1, c, h, w}
}

// elements is the number of elements of that tensor.
func (s Spec) elements() int { return s.Channels * s.Height * s.Width }

// table has the elements that the values of a channel's pixels turn into, from
// -darkest on: those beyond 0 and 255 are taken for these.
type table [colored]float32

// isFinite says whether every pixel turns into a finite number.
func (t *table) isFinite() bool {
	return tensor.Tensor{Data: t[:]}.CheckFinite() == nil
}

// table is that of a channel.
func (s Spec) table(channel int) *table {
	scale := s.Scale
	if scale == 0 {
		scale = 1.0 / 255
	}
	mean, std := float32(0), float32(1)
	if len(s.Mean) > 0 {
		mean = s.Mean[channel]
	}
	if len(s.Std) > 0 {
		std = s.Std[channel]
	}
	var t table
	for v := range t {
		p := within(v)
		// In float64 the product is so near that it rounds to the very float32
		// that the division gives.
		t[v] = (float32(float64(p)*scale) - mean) / std
	}
	return &t
}

// newTensor is the tensor for one picture, of undefined numbers.
func (s Spec) newTensor() tensor.Tensor {
	n := s.elements()
	if data, ok := spareNumbers.Get().(*[]float32); ok && cap(*data) >= n {
		return tensor.Tensor{Shape: s.Shape(), Data: (*data)[:n]}
	}
	return tensor.Tensor{Shape: s.Shape(), Data: make([]float32, n)}
}

// spareNumbers were those of pictures' tensors.
var spareNumbers sync.Pool

// Free gives back the memory of a tensor that Decode made of data of a content type.
// The tensor is not used afterwards. Raw numbers stay the caller's.
func Free(contentType string, t tensor.Tensor) {
	if _, ok := formatOf(bare(contentType)); ok {
		spareNumbers.Put(&t.Data)
	}
}
