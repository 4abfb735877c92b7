package preprocess

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// inRGB is a picture in red, green and blue.
func inRGB(p sized) *image.RGBA {
	for i := 0; i < len(p.Pix); i += 4 {
		r, g, b := colors((*[4]byte)(p.Pix[i:]), p.chroma)
		copy(p.Pix[i:], []byte{within(r), within(g), within(b), 255})
	}
	return p.RGBA
}

// Luma and chroma are red, green and blue as the standard library has them, to one step.
func TestColors(t *testing.T) {
	for i := range 1 << 18 {
		y, cb, cr := byte(i>>12<<2), byte(i>>6<<2), byte(i<<2)
		r, g, b := colors(&[4]byte{y, cb, cr}, true)
		wantR, wantG, wantB := color.YCbCrToRGB(y, cb, cr)
		for c, d := range []int{int(within(r)) - int(wantR), int(within(g)) - int(wantG), int(within(b)) - int(wantB)} {
			if d < -1 || d > 1 {
				t.Fatalf("channel %d of %d, %d, %d is off by %d", c, y, cb, cr, d)
			}
		}
	}
}

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
		s := Spec{Width: 31, Height: 17, Channels: 3}
		got, want := inRGB(resize(p.SubImage(part), s, func() {})), inRGB(resize(rgb.SubImage(part), s, func() {}))
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
	got := resize(p, Spec{Width: 7, Height: 9, Channels: 3}, func() {})
	for i, v := range got.Pix {
		want := [4]int{100, 50, 25, 255}[i%4]
		if d := int(v) - want; d < -1 || d > 1 {
			t.Fatalf("byte %d is %d, want %d", i, v, want)
		}
	}
}

// alongOf are the weights of the samples of a stretch that make one of n target samples,
// by the filter's definition in real numbers.
func alongOf(s span, n, i int) []float64 {
	scale := (s.to - s.from) / float64(n)
	support, centre := max(scale, 1), s.from+(float64(i)+0.5)*scale
	weights, sum := make([]float64, s.samples), 0.0
	for j := range weights {
		weights[j] = max(0, 1-math.Abs(float64(j)+0.5-centre)/support) * (min(float64(j+1), s.end) - max(float64(j), s.begin))
		sum += weights[j]
	}
	for j := range weights {
		weights[j] /= sum
	}
	return weights
}

// weighed is a weighted sum of values, and by how much whole weights may miss it. Their
// running sums are rounded, each by half a step of weightOne at most, so that a sum is off
// by half a step of every difference of neighbors; and it is rounded itself.
func weighed(weights, values []float64) (sum, off float64) {
	off = 0.5
	for i, w := range weights {
		sum += w * values[i]
		if i > 0 && (w > 0 || weights[i-1] > 0) {
			off += math.Abs(values[i]-values[i-1]) / (2 * weightOne)
		}
	}
	return sum, off
}

// exactly is a plane's part in another size, by the filter's definition in real numbers,
// and how far whole weights may be from it.
func exactly(p plane, width, height, x, y int) (want, off float64) {
	down, across := alongOf(p.down, height, y), alongOf(p.across, width, x)
	columns, offs, most := make([]float64, len(across)), make([]float64, len(across)), 0.0
	for i, w := range across {
		column := make([]float64, len(down))
		for j := range column {
			column[j] = float64(p.pix[j*p.stride+i])
		}
		if columns[i], offs[i] = weighed(down, column); w > 0 {
			most = max(most, offs[i])
		}
	}
	want, off = weighed(across, columns)
	for i := 1; i < len(across); i++ { // the columns that are weighed are off themselves
		if across[i] > 0 || across[i-1] > 0 {
			off += (offs[i] + offs[i-1]) / (2 * weightOne)
		}
	}
	return want, off + most
}

// drawStretch draws what is seen and what may be read of a row of pixels.
func drawStretch(rt *rapid.T, name string, pixels int) stretch {
	first := rapid.IntRange(0, pixels-1).Draw(rt, name+" first")
	last := rapid.IntRange(first+1, pixels).Draw(rt, name+" last")
	if rapid.Bool().Draw(rt, name+" whole") {
		return all(first, last)
	}
	n := float64(last - first)
	from := rapid.Float64Range(0, 0.9).Draw(rt, name+" from") * n
	to := from + rapid.Float64Range(0.01, 1).Draw(rt, name+" of the rest")*(n-from)
	return stretch{float64(first) + from, float64(first) + to, first, last}
}

// Whole numbers of eight bits bring a sample as near to what real numbers make of it as
// their rounding allows: to about one step of 255 where neighbors differ little.
func TestWholeNumbersAreNearRealOnes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, h := rapid.IntRange(1, 70).Draw(rt, "width"), rapid.IntRange(1, 70).Draw(rt, "height")
		each := rapid.SampledFrom([]int{1, 2, 4}).Draw(rt, "pixels a sample")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		noise := rapid.SampledFrom([]int{1, 4, 256}).Draw(rt, "noise")
		pix := make([]byte, w*h)
		for i := range pix {
			pix[i] = byte(min(255, i%w+i/w+random.IntN(noise)))
		}
		p := planeOf(pix, w, each, each, image.Point{}, view{drawStretch(rt, "across", w*each), drawStretch(rt, "down", h*each)})
		target := image.NewRGBA(image.Rect(0, 0, rapid.IntRange(1, 40).Draw(rt, "to width"), rapid.IntRange(1, 40).Draw(rt, "to height")))
		resample(target, p)
		for i := range len(target.Pix) / 4 {
			want, off := exactly(p, target.Rect.Dx(), target.Rect.Dy(), i%target.Rect.Dx(), i/target.Rect.Dx())
			if math.Abs(float64(target.Pix[4*i])-want) > off {
				rt.Fatalf("pixel %d of %v is %d, want %.2f within %.2f", i, target.Rect, target.Pix[4*i], want, off)
			}
		}
	})
}

// A JPEG picture that is decoded only as far as it is seen, at a part of its size,
// comes out as all pixels of it do, as the standard library decodes them.
func TestAJPEGComesOutAsTheStandardLibrarys(t *testing.T) {
	scene := func(x, y int) color.RGBA {
		return color.RGBA{R: uint8(128 + 90*math.Sin(float64(x)/40)), G: uint8(128 + 90*math.Cos(float64(y)/30)), B: uint8(90 + (x+y)/40), A: 255}
	}
	for _, size := range []image.Point{{30, 20}, {97, 64}, {640, 427}, {500, 1200}, {1500, 1100}} {
		for _, s := range []Spec{{Width: 56, Height: 48, Channels: 3, Resize: profile.Cover}, {Width: 28, Height: 28, Channels: 3}, {Width: 28, Height: 28, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: 32}} {
			data := encodeJPEG(t, paint(size.X, size.Y, scene))
			decodedInPart, ok := resizeJPEG(data, s, func() {})
			if !ok {
				t.Fatalf("%v to %+v: not decoded", size, s)
			}
			got := inRGB(decodedInPart)
			decoded, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			p, v := decoded.(*image.YCbCr), viewOf(decoded.Bounds(), s)
			all := sized{image.NewRGBA(got.Rect), true}
			resample(all.RGBA, planeOf(p.Y, p.YStride, 1, 1, image.Point{}, v), planeOf(p.Cb, p.CStride, 2, 2, image.Point{}, v), planeOf(p.Cr, p.CStride, 2, 2, image.Point{}, v))
			want := inRGB(all)
			for i, v := range got.Pix {
				if d := int(v) - int(want.Pix[i]); d < -4 || d > 4 {
					t.Fatalf("%v to %+v: byte %d is %d, want %d", size, s, i, v, want.Pix[i])
				}
			}
		}
	}
}
