package preprocess

import (
	"image"
	"image/color"
	"image/draw"
	"testing"

	"pgregory.net/rapid"
)

// A picture in luma and chroma comes out as its pixels in RGB do, wherever the
// part that is seen begins. Chroma that changes slowly, as here, is the same at
// any resolution.
func TestPlanesComeOutAsPixels(t *testing.T) {
	ratios := []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410}
	rapid.Check(t, func(rt *rapid.T) {
		at := image.Pt(rapid.IntRange(0, 5).Draw(rt, "x"), rapid.IntRange(0, 5).Draw(rt, "y"))
		size := image.Pt(rapid.IntRange(1, 90).Draw(rt, "width"), rapid.IntRange(1, 90).Draw(rt, "height"))
		p := image.NewYCbCr(image.Rectangle{Max: at.Add(size).Add(image.Pt(3, 3))}, rapid.SampledFrom(ratios).Draw(rt, "ratio"))
		for y := range p.Rect.Dy() {
			for x := range p.Rect.Dx() {
				p.Y[p.YOffset(x, y)] = byte(60 + x + (x*y)%30)
				c := p.COffset(x, y)
				p.Cb[c], p.Cr[c] = byte(110+x/16), byte(140-y/16)
			}
		}
		part := image.Rectangle{Min: at, Max: at.Add(size)}
		rgb := image.NewRGBA(p.Rect)
		draw.Draw(rgb, rgb.Rect, p, image.Point{}, draw.Src)
		got, want := image.NewRGBA(image.Rect(0, 0, 31, 17)), image.NewRGBA(image.Rect(0, 0, 31, 17))
		resample(got, p, part)
		resample(want, rgb, part)
		for i, v := range got.Pix {
			if d := int(v) - int(want.Pix[i]); d < -5 || d > 5 {
				rt.Fatalf("%v of %v: byte %d is %d, and %d by way of RGB", part, p.SubsampleRatio, i, v, want.Pix[i])
			}
		}
	})
}

// Pictures of other kinds go by way of RGB, and what is transparent is black.
func TestTransparentPixelsAreBlack(t *testing.T) {
	p := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	for i := range 1600 {
		p.SetNRGBA(i%40, i/40, color.NRGBA{200, 100, 50, 128})
	}
	got := image.NewRGBA(image.Rect(0, 0, 7, 9))
	resample(got, p, p.Rect)
	for i, v := range got.Pix {
		want := [4]int{100, 50, 25, 255}[i%4]
		if d := int(v) - want; d < -1 || d > 1 {
			t.Fatalf("byte %d is %d, want %d", i, v, want)
		}
	}
}
