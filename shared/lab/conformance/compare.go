package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// compare says how an output differs from the expected one, as onnx.backend.test.runner
// compares: the same datatype and shape, strings the same, and numbers within
// atol + rtol times the expected one.
func compare(got tensors.Tensor, want Value, rtol, atol float64) error {
	switch {
	case want.Other != "":
		return fmt.Errorf("is to be a %s, and answers have tensors alone", want.Other)
	case got.Datatype != want.Datatype:
		return fmt.Errorf("is %s, expected %s", got.Datatype, want.Datatype)
	case !slices.Equal(got.Shape, want.Shape):
		return fmt.Errorf("has shape %v, expected %v", got.Shape, want.Shape)
	case bytes.Equal(got.Data, want.Data):
		return nil
	case want.Datatype == tensors.Bytes || len(got.Data) != len(want.Data):
		return fmt.Errorf("has other bytes than expected")
	}
	a, b := numbers(got.Datatype, got.Data), numbers(want.Datatype, want.Data)
	for i := range a {
		if !near(a[i], b[i], rtol, atol) {
			return fmt.Errorf("element %d is %v, expected %v", i, a[i], b[i])
		}
	}
	return nil
}

// near is numpy's assert_allclose: NaN equals NaN, and an infinity itself.
func near(got, want, rtol, atol float64) bool {
	if math.IsNaN(got) || math.IsNaN(want) {
		return math.IsNaN(got) && math.IsNaN(want)
	}
	if math.IsInf(got, 0) || math.IsInf(want, 0) {
		return got == want
	}
	return math.Abs(got-want) <= atol+rtol*math.Abs(want)
}

// numbers are the elements of a tensor of numbers.
func numbers(d tensors.Datatype, data []byte) []float64 {
	size := d.Size()
	out := make([]float64, len(data)/size)
	if d == tensors.FP16 || d == tensors.BF16 {
		values, _ := tensors.Tensor{Datatype: d, Data: data}.Floats()
		for i, v := range values {
			out[i] = float64(v)
		}
		return out
	}
	for i := range out {
		out[i] = number(d, data[i*size:(i+1)*size])
	}
	return out
}

// number is one element, of its own size in bytes.
func number(d tensors.Datatype, b []byte) float64 {
	var wide [8]byte
	copy(wide[:], b)
	n := binary.LittleEndian.Uint64(wide[:])
	switch d {
	case tensors.FP32:
		return float64(math.Float32frombits(uint32(n)))
	case tensors.FP64:
		return math.Float64frombits(n)
	case tensors.Int8:
		return float64(int8(n))
	case tensors.Int16:
		return float64(int16(n))
	case tensors.Int32:
		return float64(int32(n))
	case tensors.Int64:
		return float64(int64(n))
	}
	return float64(n)
}
