package tensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

var little = binary.LittleEndian

// appendNumber appends the number that a JSON word stands for, which must be one
// that the datatype holds: whole ones are exact, and no other is cut.
func appendNumber(data []byte, word string, d Datatype) ([]byte, error) {
	switch d {
	case Bool:
		switch word {
		case "true", "1":
			return append(data, 1), nil
		case "false", "0":
			return append(data, 0), nil
		}
		return nil, fmt.Errorf("%.32s is neither true nor false", word)
	case Uint8, Uint16, Uint32, Uint64:
		n, err := strconv.ParseUint(word, 10, 8*d.Size())
		if err != nil {
			return nil, fmt.Errorf("%.32s is not a valid %s", word, d)
		}
		return appendBits(data, n, d.Size()), nil
	case Int8, Int16, Int32, Int64:
		n, err := strconv.ParseInt(word, 10, 8*d.Size())
		if err != nil {
			return nil, fmt.Errorf("%.32s is not a valid %s", word, d)
		}
		return appendBits(data, uint64(n), d.Size()), nil
	}
	return appendFloat(data, word, d)
}

// appendFloat appends a floating-point number, rounded to the datatype once.
func appendFloat(data []byte, word string, d Datatype) ([]byte, error) {
	bits := 32
	if d == FP64 {
		bits = 64
	}
	x, err := strconv.ParseFloat(word, bits)
	if err != nil {
		return nil, fmt.Errorf("%.32s is not a valid %s", word, d)
	}
	switch d {
	case FP64:
		return little.AppendUint64(data, math.Float64bits(x)), nil
	case FP32:
		return little.AppendUint32(data, math.Float32bits(float32(x))), nil
	case BF16:
		return little.AppendUint16(data, toBrain(float32(x))), nil
	}
	return little.AppendUint16(data, toHalf(float32(x))), nil
}

func appendBits(data []byte, n uint64, size int) []byte {
	for range size {
		data, n = append(data, byte(n)), n>>8
	}
	return data
}

// appendJSON appends the element that data begins with as JSON; false when JSON
// has no word for it, as for NaN.
func appendJSON(out, data []byte, d Datatype) ([]byte, bool) {
	switch d {
	case Bool:
		return strconv.AppendBool(out, data[0] != 0), true
	case Uint8:
		return strconv.AppendUint(out, uint64(data[0]), 10), true
	case Uint16:
		return strconv.AppendUint(out, uint64(little.Uint16(data)), 10), true
	case Uint32:
		return strconv.AppendUint(out, uint64(little.Uint32(data)), 10), true
	case Uint64:
		return strconv.AppendUint(out, little.Uint64(data), 10), true
	case Int8:
		return strconv.AppendInt(out, int64(int8(data[0])), 10), true
	case Int16:
		return strconv.AppendInt(out, int64(int16(little.Uint16(data))), 10), true
	case Int32:
		return strconv.AppendInt(out, int64(int32(little.Uint32(data))), 10), true
	case Int64:
		return strconv.AppendInt(out, int64(little.Uint64(data)), 10), true
	}
	x, bits := floatAt(data, d), 32
	if d == FP64 {
		bits = 64
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return out, false
	}
	return strconv.AppendFloat(out, x, 'g', -1, bits), true
}

// floatAt is the floating-point number that data begins with.
func floatAt(data []byte, d Datatype) float64 {
	switch d {
	case FP64:
		return math.Float64frombits(little.Uint64(data))
	case FP32:
		return float64(math.Float32frombits(little.Uint32(data)))
	case BF16:
		return float64(math.Float32frombits(uint32(little.Uint16(data)) << 16))
	}
	return float64(fromHalf(little.Uint16(data)))
}

// Floats are the elements of a tensor of floating-point numbers as float32;
// false for another datatype.
func (t Tensor) Floats() ([]float32, bool) {
	switch t.Datatype {
	case FP16, BF16, FP32, FP64:
	default:
		return nil, false
	}
	size := t.Datatype.Size()
	out := make([]float32, len(t.Data)/size)
	for i := range out {
		out[i] = float32(floatAt(t.Data[i*size:], t.Datatype))
	}
	return out, true
}

// FromFloats is an FP32 tensor.
func FromFloats(name string, shape []int64, values []float32) Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = little.AppendUint32(data, math.Float32bits(v))
	}
	return Tensor{name, FP32, shape, data}
}

// Convert gives an FP32 tensor that was made here another datatype that models of
// pictures take, each number rounded once. What a caller gives is never converted.
func Convert(t Tensor, to Datatype) (Tensor, error) {
	if to == t.Datatype {
		return t, nil
	}
	values, _ := t.Floats()
	out := Tensor{Name: t.Name, Datatype: to, Shape: t.Shape, Data: make([]byte, 0, len(values)*to.Size())}
	for _, v := range values {
		switch to {
		case Uint8:
			out.Data = append(out.Data, byte(max(0, min(255, math.RoundToEven(float64(v))))))
		case FP16:
			out.Data = little.AppendUint16(out.Data, toHalf(v))
		case BF16:
			out.Data = little.AppendUint16(out.Data, toBrain(v))
		case FP64:
			out.Data = little.AppendUint64(out.Data, math.Float64bits(float64(v)))
		default:
			return t, fmt.Errorf("models of pictures do not take %s", to)
		}
	}
	return out, nil
}

// fromHalf converts an IEEE 754 half-precision number.
func fromHalf(h uint16) float32 {
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

// toHalf rounds to the nearest half-precision number, to even between two.
func toHalf(x float32) uint16 {
	b := math.Float32bits(x)
	sign, magnitude := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN
		return sign | 0x7e00
	case magnitude >= 0x477ff000: // rounds to 65,520 or above
		return sign | 0x7c00
	case magnitude < 0x38800000: // subnormal: in steps of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(magnitude))*(1<<24)))
	}
	magnitude -= 112 << 23
	return sign | uint16((magnitude+0xfff+magnitude>>13&1)>>13)
}

// toBrain rounds to the nearest bfloat16, to even between two.
func toBrain(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 { // NaN
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
