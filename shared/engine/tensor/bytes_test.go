package tensor

import (
	"bytes"
	"math"
	"testing"
)

// Numbers come back with their bits, also from where they cannot be read in place.
func TestBytesAreTheNumbers(t *testing.T) {
	raw := []byte{0, 0, 0x80, 0x3f, 1, 0, 0xc0, 0x7f, 0, 0, 0, 0x80} // 1, not a number, -0
	for offset := range 4 {
		data := append(make([]byte, offset, 16), raw...)[offset:]
		got := Numbers(data)
		if len(got) != 3 || got[0] != 1 || math.Float32bits(got[1]) != 0x7fc00001 || math.Float32bits(got[2]) != 1<<31 {
			t.Errorf("at offset %d: %v", offset, got)
		}
		if again := Bytes(got); !bytes.Equal(again, raw) {
			t.Errorf("at offset %d: %x, want %x", offset, again, raw)
		}
	}
}
