// Package tensors holds the tensors that models take and give, whatever their
// type and rank, as the Open Inference Protocol knows them: a name, a datatype, a
// shape and little-endian bytes. It reads and writes them as JSON and as bytes.
package tensors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Datatype is the type of a tensor's elements, by the protocol's name for it.
type Datatype string

// The datatypes of the protocol.
const (
	Bool   Datatype = "BOOL"
	Uint8  Datatype = "UINT8"
	Uint16 Datatype = "UINT16"
	Uint32 Datatype = "UINT32"
	Uint64 Datatype = "UINT64"
	Int8   Datatype = "INT8"
	Int16  Datatype = "INT16"
	Int32  Datatype = "INT32"
	Int64  Datatype = "INT64"
	FP16   Datatype = "FP16"
	BF16   Datatype = "BF16"
	FP32   Datatype = "FP32"
	FP64   Datatype = "FP64"
	Bytes  Datatype = "BYTES" // strings
)

// sizes are the bytes of one element. A string has no fixed number of them.
var sizes = map[Datatype]int{
	Bool: 1, Uint8: 1, Int8: 1, Uint16: 2, Int16: 2, FP16: 2, BF16: 2,
	Uint32: 4, Int32: 4, FP32: 4, Uint64: 8, Int64: 8, FP64: 8, Bytes: 0,
}

// Known says whether the protocol has a datatype.
func (d Datatype) Known() bool { _, ok := sizes[d]; return ok }

// Datatypes lists the protocol's datatypes, in the order of their names.
func Datatypes() []Datatype { return slices.Sorted(maps.Keys(sizes)) }

// Size is the bytes of one element; 0 for strings.
func (d Datatype) Size() int { return sizes[d] }

// Spec is what a model takes or gives under one name; -1 in the shape is any size.
type Spec struct {
	Name     string   `json:"name"`
	Datatype Datatype `json:"datatype"`
	Shape    []int64  `json:"shape"`
}

// Tensor is one named tensor, dense and row-major. Data holds its elements,
// little-endian; of BYTES each string behind its length in four bytes.
type Tensor struct {
	Name     string
	Datatype Datatype
	Shape    []int64 // empty for a single number
	Data     []byte
}

// What is taken of one tensor.
const (
	MaxRank     = 8
	maxElements = 1 << 31
)

// Elements is the product of a shape, 1 of an empty one. It fails if a dimension
// is negative, or the product is above 2^31.
func Elements(shape []int64) (int, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("shape %v has %d dimensions, above %d", shape, len(shape), MaxRank)
	}
	n := int64(1)
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d of shape %v is %d, below 0", i, shape, d)
		}
		if d > 0 && n > maxElements/d {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, maxElements)
		}
		n *= d
	}
	return int(n), nil
}

// Check says what is wrong with a tensor by itself: an unknown datatype, or data
// that has another length than its shape says.
func (t Tensor) Check() error {
	if !t.Datatype.Known() {
		return fmt.Errorf("%.32q is not a datatype of the Open Inference Protocol", t.Datatype)
	}
	n, err := Elements(t.Shape)
	if err != nil {
		return err
	}
	if t.Datatype == Bytes {
		_, err := t.Strings()
		return err
	}
	if want := n * t.Datatype.Size(); len(t.Data) != want {
		return fmt.Errorf("has %d bytes, but shape %v of %s needs %d", len(t.Data), t.Shape, t.Datatype, want)
	}
	if t.Datatype == Bool {
		for i, b := range t.Data {
			if b > 1 {
				return fmt.Errorf("element %d of BOOL is the byte %d, neither 0 nor 1", i, b)
			}
		}
	}
	return nil
}

// Strings returns the strings of a BYTES tensor, which share its data.
func (t Tensor) Strings() ([][]byte, error) {
	n, err := Elements(t.Shape)
	if err != nil {
		return nil, err
	}
	if n > len(t.Data)/4 {
		return nil, fmt.Errorf("has %d bytes, too few for %d strings, each after its length in four bytes", len(t.Data), n)
	}
	out, rest := make([][]byte, 0, n), t.Data
	for i := range n {
		end, whole := endOfString(rest)
		if !whole {
			return nil, fmt.Errorf("string %d of %d is missing or incomplete: each string comes after its length in four bytes", i, n)
		}
		out, rest = append(out, rest[4:end]), rest[end:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the last string", len(rest))
	}
	return out, nil
}

// endOfString is where the first string of BYTES data ends, which comes after its length in
// four bytes; false if the data ends before.
func endOfString(data []byte) (end int, whole bool) {
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
		return 0, false
	}
	return 4 + int(binary.LittleEndian.Uint32(data)), true
}

// AppendString appends a string as BYTES data has it.
func AppendString[S ~string | ~[]byte](data []byte, s S) []byte {
	return append(binary.LittleEndian.AppendUint32(data, uint32(len(s))), s...)
}

// Find returns the tensor of a name.
func Find(ts []Tensor, name string) (Tensor, bool) {
	if i := slices.IndexFunc(ts, func(t Tensor) bool { return t.Name == name }); i >= 0 {
		return ts[i], true
	}
	return Tensor{}, false
}
