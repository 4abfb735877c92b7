package preprocess

import (
	"image"
	"image/color"
	"image/draw"
	"os"
	"testing"
)

// While a large picture is decoded, the core is offered to others at least once for each sixteen
// lines of pixels (the height of a JPEG's largest blocks), whatever decodes it, and once more for
// each line of the model that is averaged.
func TestDecodingYields(t *testing.T) {
	const side, lines = 400, 16
	full := paint(side, side, ramp)
	palette := image.NewPaletted(full.Rect, color.Palette{color.Black, color.White, color.Gray{Y: 90}})
	draw.Draw(palette, palette.Rect, full, image.Point{}, draw.Src)
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		contentType string
		data        []byte
		least       int
	}{
		"PNG":              {PNG, encodePNG(t, full), side + side/spare/lines},
		"PNG of a palette": {PNG, encodePNG(t, palette), side / lines},
		"JPEG":             {JPEG, encodeJPEG(t, full), side / lines},
		"progressive JPEG": {JPEG, progressive, len(progressive) / pieceBytes},
	} {
		yields := 0
		if _, err := Decode(c.contentType, c.data, rgb, Limits{MaxPixels: side * side, Yield: func() { yields++ }}); err != nil || yields < c.least {
			t.Errorf("%s: %d yields, want %d or more, error %v", name, yields, c.least, err)
		}
	}
}
