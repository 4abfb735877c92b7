package preprocess

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os"
	"testing"
)

// kinds are pictures of a kind each.
var kinds = map[string]func(image.Rectangle) draw.Image{
	"grey":     func(r image.Rectangle) draw.Image { return image.NewGray(r) },
	"grey16":   func(r image.Rectangle) draw.Image { return image.NewGray16(r) },
	"colour":   func(r image.Rectangle) draw.Image { return image.NewNRGBA(r) },
	"colour16": func(r image.Rectangle) draw.Image { return image.NewNRGBA64(r) },
	"palette": func(r image.Rectangle) draw.Image {
		return image.NewPaletted(r, color.Palette{color.Black, color.White, color.NRGBA{R: 9, A: 200}})
	},
}

// painted is a picture of a kind, flat or of random pixels, as PNG or JPEG.
func painted(t testing.TB, kind string, side int, noise, jpeg bool) (string, []byte) {
	t.Helper()
	p := kinds[kind](image.Rect(0, 0, side, side))
	random := rand.New(rand.NewPCG(1, 2))
	for y := range side {
		for x := range side {
			c := color.NRGBA64{R: uint16(x), G: uint16(y), B: 9, A: 0xffff}
			if noise {
				n := random.Uint64()
				c = color.NRGBA64{R: uint16(n), G: uint16(n >> 16), B: uint16(n >> 32), A: uint16(n >> 48)}
			}
			p.Set(x, y, c)
		}
	}
	if jpeg {
		return JPEG, encodeJPEG(t, p)
	}
	return PNG, encodePNG(t, p)
}

// A picture is weighed by its pixels, its kind and its file; one of about the
// model's size, and a tensor, weigh nothing.
func TestWeigh(t *testing.T) {
	small := Spec{Width: 28, Height: 28, Channels: 1}
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	cmyk, err2 := os.ReadFile("testdata/red-cmyk.jpg")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name        string
		contentType string
		data        []byte
		least, most float64 // ms a megapixel
		memory      int     // bytes a pixel, at least
	}{
		{"grey", PNG, encodePNG(t, image.NewGray(image.Rect(0, 0, 1000, 1000))), 10, 20, 1},
		{"16 bits", PNG, encodePNG(t, image.NewNRGBA64(image.Rect(0, 0, 1000, 1000))), 40, 60, 8},
		{"JPEG", JPEG, encodeJPEG(t, image.NewRGBA(image.Rect(0, 0, 1000, 1000))), 10, 15, 1},
		{"progressive", JPEG, progressive, 35, 600, 15},
		{"CMYK, which the standard library decodes", JPEG, cmyk, 60, 100, 1}, // most of it by its bytes
	} {
		tiny := Spec{Width: 4, Height: 4, Channels: 1}
		got, err := Check(tc.contentType, tc.data, tiny, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		config, _, err := image.DecodeConfig(bytes.NewReader(tc.data))
		if err != nil {
			t.Fatal(err)
		}
		pixels := config.Width * config.Height
		mega := float64(pixels) / 1e6
		if got.Pixels != pixels || got.MS < tc.least*mega || got.MS > tc.most*mega || got.MemoryMB < tc.memory*pixels>>20 {
			t.Errorf("%s of %d pixels weighs %+v", tc.name, pixels, got)
		}
	}
	for name, tc := range map[string]struct {
		contentType string
		data        []byte
	}{
		"the model's size": {PNG, encodePNG(t, image.NewGray(image.Rect(0, 0, 28, 28)))},
		"about it":         {PNG, encodePNG(t, image.NewGray(image.Rect(0, 0, 28, 56)))},
		"a tensor":         {RawTensor, make([]byte, 4*784)},
	} {
		if got, err := Check(tc.contentType, tc.data, small, Limits{}); err != nil || got.MS != 0 || got.MemoryMB != 0 || got.Pixels != 0 {
			t.Errorf("%s weighs %+v, error %v", name, got, err)
		}
	}
}

func TestTheDefaultLimitDependsOnTheModelsInput(t *testing.T) {
	for side, want := range map[int]int{28: 1 << 20, 224: 256 * 224 * 224, 512: 1 << 24} {
		s := Spec{Width: side, Height: side, Channels: 3}
		if got := s.DefaultMaxPixels(); got != want {
			t.Errorf("%d x %d: %d pixels, want %d", side, side, got, want)
		}
	}
	// 130 KB, and 16 megapixels: it took 1.2 s, for a model of 0.03 ms.
	bomb := encodePNG(t, image.NewPaletted(image.Rect(0, 0, 4096, 4096), color.Palette{color.Black}))
	if _, err := Check(PNG, bomb, grey, Limits{}); err == nil || len(bomb) > 200<<10 {
		t.Errorf("a picture of 16 megapixels in %d bytes is taken for a model of 28 x 28", len(bomb))
	}
	if _, err := Check(PNG, bomb, grey, Limits{MaxPixels: 1 << 24}); err != nil {
		t.Errorf("with a higher limit: %v", err)
	}
}

// BenchmarkPixels measures what Weigh goes by, in time of the wall: on an idle
// machine that of the thread.
func BenchmarkPixels(b *testing.B) {
	const side = 1000
	for kind := range kinds {
		for _, noise := range []bool{false, true} {
			for _, jpeg := range []bool{false, true} {
				contentType, data := painted(b, kind, side, noise, jpeg)
				b.Run(fmt.Sprintf("%s/noise=%v/%s", kind, noise, contentType), func(b *testing.B) {
					for b.Loop() {
						if _, err := Decode(contentType, bytes.Clone(data), grey, Limits{}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/side/side, "ns/pixel")
					b.ReportMetric(float64(len(data))/side/side, "bytes/pixel")
				})
			}
		}
	}
}
