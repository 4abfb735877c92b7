package preprocess

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

var update = flag.Bool("update", false, "write the golden pictures anew")

// The golden pictures show what each way of resizing does; look at them when
// they change.
func TestResizeGolden(t *testing.T) {
	rings := func(x, y int) color.RGBA {
		return color.RGBA{R: uint8(x * x / 40), G: uint8(y * y / 30), B: uint8((x*x + y*y) / 64), A: 255}
	}
	for name, c := range map[string]struct {
		w, h int
		spec Spec
	}{
		"shrink-exact":  {160, 100, Spec{Width: 48, Height: 48, Channels: 3}},
		"shrink-cover":  {160, 100, Spec{Width: 48, Height: 48, Channels: 3, Resize: profile.Cover}},
		"grow-exact":    {12, 9, Spec{Width: 48, Height: 48, Channels: 3}},
		"average-cover": {401, 599, Spec{Width: 48, Height: 32, Channels: 3, Resize: profile.Cover}},
		"average-exact": {601, 403, Spec{Width: 32, Height: 32, Channels: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			got := resize(paint(c.w, c.h, rings), c.spec, func() {}).RGBA
			path := filepath.Join("testdata", name+".png")
			if *update {
				if err := os.WriteFile(path, encodePNG(t, got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wantPicture(t, got, path)
		})
	}
}

// wantPicture compares with a golden file. A step of 1 in 255 is allowed: other
// processors fuse multiplications with additions and round differently.
func wantPicture(t *testing.T, got *image.RGBA, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run with -update to make it", err)
	}
	golden, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want := image.NewRGBA(golden.Bounds())
	draw.Draw(want, want.Rect, golden, image.Point{}, draw.Src)
	if got.Rect != want.Rect {
		t.Fatalf("size %v, want %v", got.Rect, want.Rect)
	}
	for i, v := range got.Pix {
		if d := int(v) - int(want.Pix[i]); d < -1 || d > 1 {
			t.Fatalf("pixel %d,%d: %d, want %d", i%got.Stride/4, i/got.Stride, v, want.Pix[i])
		}
	}
}

// A pattern finer than the model's pixels must turn into its mean; a filter
// that looks at a few pixels only would show stripes that are not there.
func TestFinePatternsDoNotAlias(t *testing.T) {
	stripes := func(x, y int) color.RGBA {
		v := uint8(255 * ((x + y) % 2))
		return color.RGBA{R: v, G: v, B: v, A: 255}
	}
	for _, size := range []image.Point{{640, 480}, {1000, 750}, {2048, 1536}} {
		got := resize(paint(size.X, size.Y, stripes), Spec{Width: 224, Height: 224, Channels: 3}, func() {})
		for i := 0; i < len(got.Pix); i += 4 {
			if v := got.Pix[i]; v < 127-16 || v > 128+16 {
				t.Fatalf("%v: pixel %d is %d, far from the mean", size, i/4, v)
			}
		}
	}
}

func TestCropIsCentred(t *testing.T) {
	for _, c := range []struct {
		full, want image.Rectangle
		w, h       int
	}{
		{image.Rect(0, 0, 200, 100), image.Rect(50, 0, 150, 100), 10, 10},
		{image.Rect(0, 0, 100, 200), image.Rect(0, 50, 100, 150), 10, 10},
		{image.Rect(5, 7, 25, 27), image.Rect(5, 12, 25, 22), 20, 10},
		{image.Rect(0, 0, 1, 9000), image.Rect(0, 4499, 1, 4500), 1, 1},
		{image.Rect(0, 0, 9000, 1), image.Rect(4499, 0, 4500, 1), 1, 4096},
	} {
		if got := cover(c.full, Spec{Width: c.w, Height: c.h}); got != c.want {
			t.Errorf("%v to %dx%d: %v, want %v", c.full, c.w, c.h, got, c.want)
		}
	}
}

// A picture of the model's size within a larger one is cut out, not resampled.
func TestCoverOfTheSameSizeIsExact(t *testing.T) {
	picture := paint(20, 16, ramp)
	got := resize(picture, Spec{Width: 16, Height: 16, Channels: 3, Resize: profile.Cover}, func() {})
	for y := range 16 {
		for x := range 16 {
			if got.RGBAAt(x, y) != ramp(x+2, y) {
				t.Fatalf("pixel %d,%d is %v", x, y, got.RGBAAt(x, y))
			}
		}
	}
}

// One color stays that color however odd the sizes; a long and thin picture
// must not take the memory of a square of its length either.
func TestOddSizesKeepTheColour(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 100000}, {100000, 1}, {29, 27}, {57, 113}, {447, 3}} {
		picture := image.NewUniform(color.RGBA{R: 200, G: 100, B: 50, A: 255})
		canvas := image.NewRGBA(image.Rectangle{Max: size})
		draw.Draw(canvas, canvas.Rect, picture, image.Point{}, draw.Src)
		for _, how := range []string{profile.Exact, profile.Cover} {
			got := resize(canvas, Spec{Width: 28, Height: 28, Channels: 3, Resize: how}, func() {})
			for i, v := range got.Pix {
				want := [4]int{200, 100, 50, 255}[i%4]
				if d := int(v) - want; d < -1 || d > 1 {
					t.Fatalf("%v %s: %d, want %d", size, how, v, want)
				}
			}
		}
	}
}
