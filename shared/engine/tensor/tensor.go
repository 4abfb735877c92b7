// Package tensor holds the one value that models take and give, a dense
// float32 array with a shape, and the error that says what is wrong with a
// caller's input. It stands alone so that preprocessing and the engine can
// share both without importing each other.
package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Tensor is a dense row-major float32 tensor: the last dimension varies
// fastest, and len(Data) is the product of Shape.
type Tensor struct {
	Shape []int64
	Data  []float32
	// Finite says that every number is known to be finite, so that nobody who gets
	// the tensor has to read all of them to find out.
	Finite bool
}

// InputError says that an input cannot be used and why; it is the caller's
// mistake, so that an API answers it with a 4xx. Field is the path of the
// offending part of the request ("input.data"), Reason is written for the
// caller to read.
type InputError struct {
	Field  string
	Reason string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// maxElements bounds a tensor to 8 GiB, so that a product of dimensions can
// neither overflow nor ask for more memory than any machine here has.
const maxElements = 1 << 31

// Elements returns the product of shape. It fails if a dimension is below one
// (an empty tensor has nothing to infer) or the product is beyond 2^31.
func Elements(shape []int64) (int, error) {
	n := int64(1)
	for i, d := range shape {
		if d < 1 {
			return 0, fmt.Errorf("dimension %d of shape %v is %d, below 1", i, shape, d)
		}
		if d > maxElements/n {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, maxElements)
		}
		n *= d
	}
	return int(n), nil
}

// CheckLength reports whether Data has as many elements as Shape says.
func (t Tensor) CheckLength() error {
	n, err := Elements(t.Shape)
	if err != nil {
		return err
	}
	if n != len(t.Data) {
		return fmt.Errorf("shape %v has %d elements, but there are %d", t.Shape, n, len(t.Data))
	}
	return nil
}

// exponent masks the exponent bits of a float32; all of them set means an
// infinity or not a number. Added to that, lowest sets the sign bit, and to
// nothing else; exponents and lowests do so for two numbers at once.
const (
	exponent  = 0x7f800000
	exponents = exponent<<32 | exponent
	lowest    = 0x00800000
	lowests   = lowest<<32 | lowest
	signs     = 1<<63 | 1<<31
)

// finite reports whether all of the numbers are finite. It is on the path of every
// query, over as many numbers as its input has: it reads eight at once, as they are in
// memory, since a float32 reaches an integer register by way of another one.
func finite(data []float32) bool {
	raw := memory(data)
	var found uint64
	for ; len(raw) >= 32; raw = raw[32:] {
		a, b := binary.NativeEndian.Uint64(raw), binary.NativeEndian.Uint64(raw[8:])
		c, d := binary.NativeEndian.Uint64(raw[16:]), binary.NativeEndian.Uint64(raw[24:])
		found |= (a&exponents + lowests) | (b&exponents + lowests) | (c&exponents + lowests) | (d&exponents + lowests)
	}
	for ; len(raw) > 0; raw = raw[4:] {
		found |= uint64(binary.NativeEndian.Uint32(raw)&exponent + lowest)
	}
	return found&signs == 0
}

// CheckFinite fails on the first NaN or infinity and names its index. A
// network turns a single one into an answer that is wrong without looking so.
func (t Tensor) CheckFinite() error {
	if t.Finite || finite(t.Data) {
		return nil
	}
	for i, v := range t.Data {
		if math.Float32bits(v)&exponent == exponent {
			return fmt.Errorf("element %d is %v, not a finite number", i, v)
		}
	}
	return nil
}

// CheckShape reports whether shape fits want, in which -1 stands for any size.
func CheckShape(shape, want []int64) error {
	if len(shape) != len(want) {
		return fmt.Errorf("shape %s has %d dimensions, the model takes %d: %s", shapeText(shape), len(shape), len(want), shapeText(want))
	}
	for i, d := range shape {
		if want[i] >= 0 && d != want[i] {
			return fmt.Errorf("dimension %d of shape %s is %d, the model takes %d: %s", i, shapeText(shape), d, want[i], shapeText(want))
		}
	}
	return nil
}

// shapeText is a shape for people, with "any" where every size fits.
func shapeText(shape []int64) string {
	sizes := make([]string, len(shape))
	for i, d := range shape {
		if sizes[i] = strconv.FormatInt(d, 10); d < 0 {
			sizes[i] = "any"
		}
	}
	return "[" + strings.Join(sizes, ", ") + "]"
}
