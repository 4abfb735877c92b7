package tensor

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Numbers reads little-endian numbers. Where the machine keeps numbers so and
// the data is aligned for them, as a request's body is read, the numbers are the
// data itself and nothing is copied: data must not change afterwards.
func Numbers(data []byte) []float32 {
	if first := unsafe.SliceData(data); littleEndian && uintptr(unsafe.Pointer(first))%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(unsafe.Pointer(first)), len(data)/4)
	}
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

// Bytes writes numbers as Numbers reads them.
func Bytes(numbers []float32) []byte {
	out := make([]byte, 4*len(numbers))
	for i, n := range numbers {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(n))
	}
	return out
}

// memory is the numbers as this machine keeps them, four bytes each. Nothing is copied.
func memory(numbers []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 4*len(numbers))
}

// littleEndian reports how this machine keeps numbers.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
