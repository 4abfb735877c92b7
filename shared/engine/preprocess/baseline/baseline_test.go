package baseline

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// all wants the whole picture as it is.
func all(width, height int) (image.Rectangle, int) { return image.Rect(0, 0, width, height), 1 }

// pictures are of every kind that is decoded, by name, and some that are not,
// which have "other" in their name. testdata/make.py makes them.
func pictures(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%d pictures, %v", len(paths), err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// failing is what a test and a property have in common.
type failing interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// standard is a picture by the standard library, its planes as ours.
func standard(t failing, data []byte) []Plane {
	picture, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	switch p := picture.(type) {
	case *image.Gray:
		return []Plane{{p.Pix, p.Stride, p.Rect.Dx(), p.Rect.Dy(), 1, 1}}
	case *image.YCbCr:
		perX, perY := 1, 1
		for p.COffset(perX, 0) == p.COffset(0, 0) {
			perX++
		}
		for p.COffset(0, perY) == p.COffset(0, 0) {
			perY++
		}
		w, h := p.Rect.Dx(), p.Rect.Dy()
		cw, ch := (w+perX-1)/perX, (h+perY-1)/perY
		return []Plane{{p.Y, p.YStride, w, h, 1, 1}, {p.Cb, p.CStride, cw, ch, perX, perY}, {p.Cr, p.CStride, cw, ch, perX, perY}}
	}
	t.Fatalf("a %T", picture)
	return nil
}

// The planes are those of the standard library's decoder, but for rounding.
func TestPlanesAreTheStandardLibrarys(t *testing.T) {
	for name, data := range pictures(t) {
		got, ok := Decode(data, all, func() {})
		if other := strings.Contains(name, "other"); ok == other {
			t.Errorf("%s: decoded %v", name, ok)
			continue
		} else if other {
			continue
		}
		want := standard(t, data)
		if len(got.Planes) != len(want) {
			t.Fatalf("%s: %d planes, want %d", name, len(got.Planes), len(want))
		}
		for i, w := range want {
			comparePlanes(t, name, got.Planes[i], w, image.Rect(0, 0, w.Width, w.Height), 1)
		}
		got.Free()
	}
}

// comparePlanes compares part of two planes, within a tolerance.
func comparePlanes(t testing.TB, name string, got, want Plane, part image.Rectangle, tolerance int) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height || got.PerX != want.PerX || got.PerY != want.PerY {
		t.Fatalf("%s: %dx%d samples of %dx%d pixels, want %dx%d of %dx%d", name,
			got.Width, got.Height, got.PerX, got.PerY, want.Width, want.Height, want.PerX, want.PerY)
	}
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			g, w := int(got.Pix[y*got.Stride+x]), int(want.Pix[y*want.Stride+x])
			if d := g - w; d < -tolerance || d > tolerance {
				t.Fatalf("%s: sample %d,%d is %d, want %d", name, x, y, g, w)
			}
		}
	}
}

// Whatever part is wanted has the samples that the whole has there, at any size.
func TestAPartHasTheSamplesOfTheWhole(t *testing.T) {
	files := pictures(t)
	names := slices.DeleteFunc(sorted(files), func(name string) bool { return strings.Contains(name, "other") })
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "picture")
		shrink := rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(rt, "shrink")
		var part image.Rectangle
		whole, ok := Decode(files[name], func(w, h int) (image.Rectangle, int) { return image.Rect(0, 0, w, h), shrink }, func() {})
		got, ok2 := Decode(files[name], func(w, h int) (image.Rectangle, int) {
			x, y := rapid.IntRange(0, w-1).Draw(rt, "x"), rapid.IntRange(0, h-1).Draw(rt, "y")
			part = image.Rect(x, y, rapid.IntRange(x+1, w).Draw(rt, "right"), rapid.IntRange(y+1, h).Draw(rt, "bottom"))
			return part, shrink
		}, func() {})
		if !ok || !ok2 {
			rt.Fatalf("decoded %v and %v", ok, ok2)
		}
		for i, g := range got.Planes {
			below := image.Rect(part.Min.X/g.PerX, part.Min.Y/g.PerY, (part.Max.X+g.PerX-1)/g.PerX, (part.Max.Y+g.PerY-1)/g.PerY)
			for y := below.Min.Y; y < below.Max.Y; y++ {
				if w := whole.Planes[i]; !bytes.Equal(g.Pix[y*g.Stride:][below.Min.X:below.Max.X], w.Pix[y*w.Stride:][below.Min.X:below.Max.X]) {
					rt.Fatalf("plane %d, line %d differs", i, y)
				}
			}
		}
		whole.Free()
		got.Free()
	})
}

func sorted(files map[string][]byte) (names []string) {
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A smaller picture is nearly the mean of the larger one's pixels, where these
// change little.
func TestASmallerPictureIsTheMean(t *testing.T) {
	smooth := image.NewRGBA(image.Rect(0, 0, 160, 112))
	for i := range 160 * 112 {
		x, y := i%160, i/160
		smooth.SetRGBA(x, y, color.RGBA{R: uint8(40 + x), G: uint8(200 - y), B: uint8(60 + (x+y)/2), A: 255})
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, smooth, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	full, _ := Decode(file.Bytes(), all, func() {})
	for _, shrink := range []int{2, 4, 8} {
		got, ok := Decode(file.Bytes(), func(w, h int) (image.Rectangle, int) { return image.Rect(0, 0, w, h), shrink }, func() {})
		if !ok {
			t.Fatal("not decoded")
		}
		for i, g := range got.Planes {
			f, by := full.Planes[i], g.PerX/full.Planes[i].PerX
			for y := range g.Height {
				for x := range g.Width {
					sum := 0
					for k := range by * by {
						sum += int(f.Pix[(y*by+k/by)*f.Stride+x*by+k%by])
					}
					if d := int(g.Pix[y*g.Stride+x])*by*by - sum; d < -2*by*by || d > 2*by*by {
						t.Fatalf("1/%d, plane %d, sample %d,%d is %d, the mean %d", shrink, i, x, y, g.Pix[y*g.Stride+x], sum/by/by)
					}
				}
			}
		}
	}
}

// What is damaged is either refused, or the standard library reads it too and finds
// the same size: it has the last word.
func FuzzDecode(f *testing.F) {
	for _, data := range pictures(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		compareDamaged(t, data)
	})
}

func compareDamaged(t failing, data []byte) {
	if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width*c.Height > 1<<20 {
		return
	}
	got, ok := Decode(data, all, func() {})
	if !ok {
		return
	}
	defer got.Free()
	for i, w := range standard(t, data) {
		if g := got.Planes[i]; g.Width != w.Width || g.Height != w.Height {
			t.Fatalf("plane %d has %dx%d samples, want %dx%d", i, g.Width, g.Height, w.Width, w.Height)
		}
	}
}

func TestDamagedPictures(t *testing.T) {
	files := pictures(t)
	rapid.Check(t, func(rt *rapid.T) {
		data := slices.Clone(files[rapid.SampledFrom(sorted(files)).Draw(rt, "picture")])
		for range rapid.IntRange(1, 4).Draw(rt, "damages") {
			at := rapid.IntRange(0, len(data)-1).Draw(rt, "at")
			switch rapid.IntRange(0, 3).Draw(rt, "damage") {
			case 0:
				data = data[:max(at, 1)]
			case 1:
				data = slices.Delete(data, at, min(at+rapid.IntRange(1, 9).Draw(rt, "bytes"), len(data)-1))
			default:
				data[at] = rapid.Byte().Draw(rt, "byte")
			}
		}
		compareDamaged(rt, data)
	})
}

func BenchmarkDecode(b *testing.B) {
	data := pictures(b)["photograph-420.jpg"]
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		p, ok := Decode(data, all, func() {})
		if !ok {
			b.Fatal("not decoded")
		}
		p.Free()
	}
}
