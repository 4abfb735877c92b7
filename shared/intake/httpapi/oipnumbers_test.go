package httpapi

import (
	"math"
	"testing"
)

func TestEveryDatatypeReads(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  float32
	}{
		"BOOL": {"\x01", 1}, "UINT8": {"\xff", 255}, "INT8": {"\xff", -1}, "UINT16": {"\xff\xff", 65535}, "INT16": {"\xfe\xff", -2},
		"UINT32": {"\x00\x00\x00\x80", 1 << 31}, "INT32": {"\x00\x00\x00\x80", -(1 << 31)},
		"UINT64": {"\x00\x00\x00\x00\x00\x00\x00\x80", 1 << 63}, "INT64": {"\xff\xff\xff\xff\xff\xff\xff\xff", -1},
		"FP16": {"\x00\xc1", -2.5}, "BF16": {"\x20\xc0", -2.5}, "FP32": {"\x00\x00\x20\xc0", -2.5},
		"FP64": {"\x00\x00\x00\x00\x00\x00\x04\xc0", -2.5},
	} {
		d := datatypes[name]
		if got := d.read([]byte(c.bytes)); d.size != len(c.bytes) || got != c.want {
			t.Errorf("%s reads %v of %d bytes, want %v", name, got, d.size, c.want)
		}
	}
	if len(datatypes) != 13 {
		t.Errorf("%d datatypes are known, 13 are tested", len(datatypes))
	}
}

func TestHalfPrecision(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0: 0, 0x0001: 1.0 / (1 << 24), 0x03ff: 1023.0 / (1 << 24), 0x0400: 1.0 / (1 << 14), 0x3c00: 1, 0x7bff: 65504,
		0x8001: -1.0 / (1 << 24), 0xfc00: float32(math.Inf(-1)),
	} {
		if got := half(bits); got != want {
			t.Errorf("%#04x is %v, want %v", bits, got, want)
		}
	}
	if got := half(0x8000); got != 0 || !math.Signbit(float64(got)) || half(0x7e00) == half(0x7e00) {
		t.Error("negative zero or NaN is lost")
	}
}
