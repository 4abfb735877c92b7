package httpapi

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"paragon/shared/intake"
)

// datatype is one of the protocol's types of number. Models take float32:
// every other type is converted, value by value, without scaling.
type datatype struct {
	size  int // bytes
	read  func([]byte) float32
	whole bool // JSON must hold whole numbers
}

var little = binary.LittleEndian

var datatypes = map[string]datatype{
	"BOOL":   {1, func(b []byte) float32 { return float32(min(b[0], 1)) }, true},
	"UINT8":  {1, func(b []byte) float32 { return float32(b[0]) }, true},
	"INT8":   {1, func(b []byte) float32 { return float32(int8(b[0])) }, true},
	"UINT16": {2, func(b []byte) float32 { return float32(little.Uint16(b)) }, true},
	"INT16":  {2, func(b []byte) float32 { return float32(int16(little.Uint16(b))) }, true},
	"UINT32": {4, func(b []byte) float32 { return float32(little.Uint32(b)) }, true},
	"INT32":  {4, func(b []byte) float32 { return float32(int32(little.Uint32(b))) }, true},
	"UINT64": {8, func(b []byte) float32 { return float32(little.Uint64(b)) }, true},
	"INT64":  {8, func(b []byte) float32 { return float32(int64(little.Uint64(b))) }, true},
	"FP16":   {2, func(b []byte) float32 { return half(little.Uint16(b)) }, false},
	"BF16":   {2, func(b []byte) float32 { return math.Float32frombits(uint32(little.Uint16(b)) << 16) }, false},
	"FP32":   {4, func(b []byte) float32 { return math.Float32frombits(little.Uint32(b)) }, false},
	"FP64":   {8, func(b []byte) float32 { return float32(math.Float64frombits(little.Uint64(b))) }, false},
}

// half converts an IEEE 754 half-precision number.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, int(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormal numbers: fraction / 2^24
		x := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(x) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | uint32(exponent+112)<<23 | fraction<<13)
}

// flatten reads count numbers from a JSON list, flat or nested as the shape
// says. The JSON is valid and its depth bounded: the decoder saw it before.
func flatten(data json.RawMessage, shape []int64, count int, t datatype) ([]float32, error) {
	bad := func(format string, args ...any) ([]float32, error) {
		return nil, refuse(intake.BadInput, "inputs[0].data", format, args...)
	}
	f := flattening{shape: shape, lengths: make([]int64, 0, maxRank)}
	for i := 0; i < len(data); {
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n', ',':
			i++
		case '[':
			if !f.open() {
				return bad("nests deeper than its shape %v", shape)
			}
			i++
		case ']':
			if !f.close() {
				return bad("is not nested as its shape %v says", shape)
			}
			i++
		default:
			end := i
			for end < len(data) && !isDelimiter(data[end]) {
				end++
			}
			x, err := parseNumber(string(data[i:end]), t)
			if err != nil || !f.add(float32(x), count) {
				return bad("element %d: is no number of the datatype, or one too many for shape %v", len(f.values), shape)
			}
			i = end
		}
	}
	if len(f.values) != count {
		return bad("has %d elements, and shape %v takes %d", len(f.values), shape, count)
	}
	return f.values, nil
}

func isDelimiter(c byte) bool {
	return c == ',' || c == ']' || c == '[' || c == ' ' || c == '\t' || c == '\r' || c == '\n'
}

func parseNumber(word string, t datatype) (float64, error) {
	if t.whole {
		switch word {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return float64(n), nil
		}
		n, err := strconv.ParseUint(word, 10, 64)
		return float64(n), err
	}
	return strconv.ParseFloat(word, 64)
}

// flattening follows the lists that are open while a tensor is read.
type flattening struct {
	shape   []int64
	lengths []int64 // of the open lists so far, outermost first
	nested  bool
	values  []float32
}

// open begins a list, which is an element of the one around it.
func (f *flattening) open() bool {
	if n := len(f.lengths); n > 0 {
		f.nested = true
		f.lengths[n-1]++
	}
	f.lengths = append(f.lengths, 0)
	return len(f.lengths) <= len(f.shape)
}

// close ends a list. A nested one must be as long as its dimension.
func (f *flattening) close() bool {
	n := len(f.lengths) - 1
	if n < 0 {
		return false
	}
	length := f.lengths[n]
	f.lengths = f.lengths[:n]
	return !f.nested || length == f.shape[n]
}

// add takes a number, which must lie in a list: the one list of flat data, or
// an innermost one.
func (f *flattening) add(x float32, count int) bool {
	n := len(f.lengths)
	if n == 0 || len(f.values) == count || f.nested && n != len(f.shape) {
		return false
	}
	f.lengths[n-1]++
	f.values = append(f.values, x)
	return true
}
