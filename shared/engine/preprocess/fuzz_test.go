package preprocess

import (
	"errors"
	"os"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// FuzzDecode: whatever the bytes, Decode gives a finite tensor of the model's
// shape or says what is wrong with the input, and Check refuses nothing that
// Decode takes.
func FuzzDecode(f *testing.F) {
	cmyk, err := os.ReadFile("testdata/red-cmyk.jpg")
	if err != nil {
		f.Fatal(err)
	}
	picture := paint(16, 16, ramp)
	for _, data := range [][]byte{encodePNG(f, picture), encodeJPEG(f, picture), cmyk, pngHeader(9, 9), floats(make([]float32, 16*16*3)...)} {
		for kind := range uint8(3) {
			f.Add(kind, data)
		}
	}
	specs := []Spec{rgb, grey, {Width: 5, Height: 9, Channels: 3, Layout: profile.NHWC, Resize: profile.Cover},
		{Width: 7, Height: 6, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: 9, ChannelOrder: profile.BGR}}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		contentType := []string{PNG, JPEG, RawTensor}[kind%3]
		for _, s := range specs {
			got, err := Decode(contentType, data, s, Limits{MaxPixels: 1 << 16})
			var in *InputError
			if err != nil {
				if !errors.As(err, &in) || in.Field == "" || in.Reason == "" {
					t.Fatalf("not an input error: %v", err)
				}
				continue
			}
			if _, err := Check(contentType, data, s, Limits{MaxPixels: 1 << 16}); err != nil {
				t.Fatalf("decodes, but the check says %v", err)
			}
			if err := errors.Join(got.CheckLength(), got.CheckFinite()); err != nil || len(got.Data) != s.elements() {
				t.Fatalf("shape %v: %v", got.Shape, err)
			}
		}
	})
}
