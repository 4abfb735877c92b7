package preprocess

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"testing"
)

func encoded(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheckAgreesWithDecode(t *testing.T) {
	spec := Spec{Width: 4, Height: 4, Channels: 1}
	small, wide := encoded(t, 4, 4), encoded(t, 300, 300)
	for name, c := range map[string]struct {
		contentType string
		data        []byte
		good        bool // what Check finds; Decode finds more
		damaged     bool // which is found where it is decoded
	}{
		"small":          {PNG, small, true, false},
		"large":          {PNG, wide, true, false},
		"parameter":      {"IMAGE/PNG; charset=binary", small, true, false},
		"bomb":           {PNG, encoded(t, 1001, 1000), false, false},
		"cut":            {PNG, small[:len(small)-20], true, true},
		"empty":          {PNG, nil, false, false},
		"other format":   {JPEG, small, false, false},
		"text":           {PNG, []byte("hello"), false, false},
		"unknown":        {"image/gif", small, false, false},
		"tensor":         {RawTensor, make([]byte, 64), true, false},
		"short tensor":   {RawTensor, make([]byte, 63), false, false},
		"infinite":       {RawTensor, bytes.Repeat([]byte{0, 0, 0x80, 0x7f}, 16), true, true},
		"above the size": {PNG, append(bytes.Clone(wide), make([]byte, 1<<16)...), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			lim := Limits{MaxPixels: 1_000_000, MaxBytes: 1 << 16}
			_, err := Check(c.contentType, c.data, spec, lim)
			_, decodeErr := Decode(c.contentType, c.data, spec, lim)
			if (err == nil) != c.good || (decodeErr == nil) != (c.good && !c.damaged) {
				t.Fatalf("check %v, decode %v, want good %v", err, decodeErr, c.good)
			}
			if input := (*InputError)(nil); err != nil && !errors.As(err, &input) {
				t.Errorf("error %T is not an InputError", err)
			}
		})
	}
}

func TestCheckNamesABadSpec(t *testing.T) {
	if _, err := Check(PNG, nil, Spec{}, Limits{}); err == nil {
		t.Error("a spec without a size passes")
	}
}
