package preprocess

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Sizes and places are those of torchvision: the longer side is cut to whole pixels, and a
// half is rounded to the even neighbor.
func TestShorterSideIsPlacedAsInTorchvision(t *testing.T) {
	for _, c := range []struct {
		picture, scaled image.Point
		shorter         int
		crop            image.Point
		left, top       int
	}{
		{image.Pt(500, 375), image.Pt(341, 256), 256, image.Pt(224, 224), 58, 16}, // 58.5
		{image.Pt(375, 500), image.Pt(256, 341), 256, image.Pt(224, 224), 16, 58},
		{image.Pt(640, 427), image.Pt(383, 256), 256, image.Pt(224, 224), 80, 16}, // 79.5; 383.7
		{image.Pt(256, 256), image.Pt(256, 256), 256, image.Pt(224, 224), 16, 16},
		{image.Pt(7, 7), image.Pt(32, 32), 32, image.Pt(31, 29), 0, 2}, // 0.5 and 1.5
		{image.Pt(1, 9000), image.Pt(8, 72000), 8, image.Pt(8, 8), 0, 35996},
	} {
		w, h := scaled(c.picture.X, c.picture.Y, c.shorter)
		if w != c.scaled.X || h != c.scaled.Y {
			t.Errorf("%v is scaled to %dx%d, want %v", c.picture, w, h, c.scaled)
		}
		v := viewOf(image.Rectangle{Max: c.picture}, Spec{Width: c.crop.X, Height: c.crop.Y, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: c.shorter})
		for _, axis := range []struct {
			name              string
			got               stretch
			pixels, scaled, n int
			at                int
		}{{"across", v.across, c.picture.X, w, c.crop.X, c.left}, {"down", v.down, c.picture.Y, h, c.crop.Y, c.top}} {
			from, to := axis.got.from*float64(axis.scaled)/float64(axis.pixels), axis.got.to*float64(axis.scaled)/float64(axis.pixels)
			if math.Abs(from-float64(axis.at)) > 1e-6 || math.Abs(to-float64(axis.at+axis.n)) > 1e-6 {
				t.Errorf("%v %s: the crop is from %.3f to %.3f of the scaled pixels, want from %d", c.picture, axis.name, from, to, axis.at)
			}
		}
	}
}

// What the model sees lies in what is read, and that in the picture.
func TestTheViewIsWithinThePicture(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		side := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 5000), rapid.IntRange(1, 1<<24))
		full := image.Rect(0, 0, side.Draw(rt, "width"), side.Draw(rt, "height")).Add(image.Pt(rapid.IntRange(0, 9).Draw(rt, "x"), rapid.IntRange(0, 9).Draw(rt, "y")))
		s := Spec{Width: rapid.IntRange(1, profile.MaxSide).Draw(rt, "to width"), Height: rapid.IntRange(1, profile.MaxSide).Draw(rt, "to height"), Channels: 3}
		s.Resize = rapid.SampledFrom([]string{profile.Exact, profile.Cover, profile.ShorterSide}).Draw(rt, "resize")
		if s.Resize == profile.ShorterSide {
			s.ShorterSidePX = rapid.IntRange(max(s.Width, s.Height), profile.MaxShorterSide).Draw(rt, "shorter side")
		}
		if err := profile.Input(s).Validate(); err != nil {
			rt.Fatal(err)
		}
		v := viewOf(full, s)
		if part := v.part(); part.Empty() || !part.In(full) {
			rt.Fatalf("%+v of %v reads %v", s, full, part)
		}
		for _, st := range []stretch{v.across, v.down} {
			if !(float64(st.first) <= st.from && st.from < st.to && st.to <= float64(st.last)) {
				rt.Fatalf("%+v of %v sees %+v", s, full, st)
			}
		}
	})
}

// One color stays that color whatever the sizes, and no filter reads beyond the picture.
func TestShorterSideKeepsTheColour(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		side := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 700))
		w, h := side.Draw(rt, "width"), side.Draw(rt, "height")
		s := Spec{Width: rapid.IntRange(1, 40).Draw(rt, "to width"), Height: rapid.IntRange(1, 40).Draw(rt, "to height"), Channels: 3, Resize: profile.ShorterSide}
		s.ShorterSidePX = rapid.IntRange(max(s.Width, s.Height), 100).Draw(rt, "shorter side")
		flat := paint(w, h, func(int, int) color.RGBA { return color.RGBA{R: 200, G: 100, B: 50, A: 255} })
		contentType, data, off := PNG, encodePNG(rt, flat), 0.01
		if rapid.Bool().Draw(rt, "JPEG") {
			contentType, data, off = JPEG, encodeJPEG(rt, flat), 3.01
		}
		got, err := Decode(contentType, data, s, Limits{})
		if err != nil {
			rt.Fatal(err)
		}
		for i, v := range got.Data {
			want := []float64{200, 100, 50}[i/(s.Width*s.Height)]
			if math.Abs(float64(v)*255-want) > off {
				rt.Fatalf("%dx%d to %+v: element %d is %.2f, want %v", w, h, s, i, v*255, want)
			}
		}
	})
}

// A picture comes out as Resize and CenterCrop of torchvision make it (testdata/shorter_side.py).
//
// Weights of 8 bits and the average that goes before the filter may move a pixel of a PNG by a
// few steps of 255, where it lies on an edge. A JPEG is decoded without Pillow's smoothing of
// chroma, and at a part of its size, so that pixels on colored edges differ by more. On the
// whole neither is seen.
func TestShorterSideComesOutAsInTorchvision(t *testing.T) {
	dir := filepath.Join("testdata", "shorter-side")
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var cases []struct {
		Picture, Want string
		Spec          Spec
	}
	if err := json.Unmarshal(read("cases.json"), &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, error %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.Picture, func(t *testing.T) {
			contentType, mean, most := PNG, 0.4, 3.0
			if strings.HasSuffix(c.Picture, ".jpg") {
				contentType, mean, most = JPEG, 1, 15
			}
			got, err := Decode(contentType, read(c.Picture), c.Spec, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := png.Decode(bytes.NewReader(read(c.Want)))
			if err != nil {
				t.Fatal(err)
			}
			n := c.Spec.Width * c.Spec.Height
			sum, farthest := 0.0, 0.0
			for i, v := range got.Data {
				r, g, b, _ := want.At(i%n%c.Spec.Width, i%n/c.Spec.Width).RGBA()
				d := math.Abs(float64(v)*255 - float64([]uint32{r, g, b}[i/n]>>8))
				sum, farthest = sum+d, max(farthest, d)
			}
			t.Logf("off by %.3f of 255 on average, %.0f at most", sum/float64(3*n), farthest)
			if sum/float64(3*n) > mean || farthest > most {
				t.Errorf("off by %.3f of 255 on average and %.0f at most, want %v and %v", sum/float64(3*n), farthest, mean, most)
			}
		})
	}
}

// Blue comes first in BGR, and mean and deviation go by the order of the channels.
func TestChannelOrder(t *testing.T) {
	picture := paint(1, 1, func(int, int) color.RGBA { return color.RGBA{R: 10, G: 20, B: 30, A: 255} })
	for _, layout := range []string{profile.NCHW, profile.NHWC} {
		s := Spec{Width: 1, Height: 1, Channels: 3, Layout: layout, Scale: 1, Mean: []float32{1, 2, 3}, Std: []float32{1, 2, 1}}
		for order, want := range map[string][3]float32{"": {9, 9, 27}, profile.RGB: {9, 9, 27}, profile.BGR: {29, 9, 7}} {
			s.ChannelOrder = order
			got, err := Decode(PNG, encodePNG(t, picture), s, Limits{})
			if err != nil || [3]float32(got.Data) != want {
				t.Errorf("%s %q: %v, error %v, want %v", layout, order, got.Data, err, want)
			}
		}
	}
}
