package preprocess

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// tiff is EXIF with an orientation behind another tag.
func tiff(order binary.AppendByteOrder, orientation uint16) []byte {
	mark := "II"
	if order.String() == "BigEndian" {
		mark = "MM"
	}
	b := order.AppendUint16([]byte(mark), 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, e := range [][2]uint16{{0x010f, 0}, {tagOrientation, orientation}} {
		b = order.AppendUint16(b, e[0])
		b = order.AppendUint16(b, typeShort)
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, e[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

// withAPP1 puts a segment behind the start of a JPEG.
func withAPP1(picture, payload []byte) []byte {
	out := append(bytes.Clone(picture[:2]), 0xff, markerAPP1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(payload)+2))
	return append(append(out, payload...), picture[2:]...)
}

// withChunk puts a chunk behind the header of a PNG, or before its end.
func withChunk(picture []byte, name string, payload []byte, last bool) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	chunk = append(append(chunk, name...), payload...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	at := 8 + 25 // behind the signature and the header
	if last {
		at = len(picture) - 12
	}
	return slices.Concat(picture[:at], chunk, picture[at:])
}

// storedAs is how a picture's pixels lie for an orientation that shows them as
// they are here. The places are those of EXIF's words: where the first row and the
// first column are shown.
func storedAs(picture *image.RGBA, orientation int) *image.RGBA {
	w, h := picture.Rect.Dx(), picture.Rect.Dy()
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	return paint(sw, sh, func(column, row int) color.RGBA {
		left, right, top, bottom := row, w-1-row, column, h-1-column // for 5 to 8
		if orientation < 5 {
			left, right, top, bottom = column, w-1-column, row, h-1-row
		}
		at := map[int]image.Point{
			1: {X: left, Y: top}, 2: {X: right, Y: top}, 3: {X: right, Y: bottom}, 4: {X: left, Y: bottom},
			5: {X: left, Y: top}, 6: {X: right, Y: top}, 7: {X: right, Y: bottom}, 8: {X: left, Y: bottom},
		}[orientation]
		return picture.RGBAAt(at.X, at.Y)
	})
}

// A picture gives the same numbers however it is stored.
func TestOrientationIsApplied(t *testing.T) {
	wide := paint(96, 48, func(x, y int) color.RGBA {
		return color.RGBA{R: uint8(2 * x), G: uint8(5 * y), B: uint8(x + y), A: 255}
	})
	same := paint(16, 12, func(x, y int) color.RGBA {
		return color.RGBA{R: uint8(x * 16), G: uint8(y * 20), B: uint8(x ^ y), A: 255}
	})
	for name, c := range map[string]struct {
		picture *image.RGBA
		spec    Spec
		off     float64 // what rounding may change
	}{
		"of the model's size": {same, Spec{Width: 16, Height: 12, Channels: 3}, 0},
		"stretched":           {wide, Spec{Width: 24, Height: 16, Channels: 3}, 0.02},
		"cropped":             {wide, Spec{Width: 16, Height: 16, Channels: 3, Resize: profile.Cover}, 0.02},
		"the shorter side":    {wide, Spec{Width: 16, Height: 20, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: 24}, 0.02},
	} {
		want, err := Decode(PNG, encodePNG(t, c.picture), c.spec, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for o := 1; o <= 8; o++ {
			stored := encodePNG(t, storedAs(c.picture, o))
			for where, data := range map[string][]byte{
				"before the pixels": withChunk(stored, "eXIf", tiff(binary.BigEndian, uint16(o)), false),
				"behind the pixels": withChunk(stored, "eXIf", tiff(binary.LittleEndian, uint16(o)), true),
			} {
				got, err := Decode(PNG, data, c.spec, Limits{})
				if err != nil || !slices.Equal(got.Shape, want.Shape) {
					t.Fatalf("%s, orientation %d: shape %v, error %v", name, o, got.Shape, err)
				}
				if d := farthest(got.Data, want.Data); d > c.off {
					t.Errorf("%s, orientation %d %s: off by %v", name, o, where, d)
				}
			}
		}
	}
}

func farthest(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

func TestOrientationOfAJPEG(t *testing.T) {
	plain := encodeJPEG(t, paint(16, 16, ramp))
	exif := func(o uint16) []byte { return append(bytes.Clone(exifHead), tiff(binary.BigEndian, o)...) }
	long := tiff(binary.LittleEndian, 6)
	long[8+2+12+2] = typeLong
	f, _ := formatOf(JPEG)
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"none":               {plain, 1},
		"of a photograph":    {withAPP1(plain, exif(6)), 6},
		"as a long number":   {withAPP1(plain, append(bytes.Clone(exifHead), long...)), 6},
		"behind XMP":         {withAPP1(withAPP1(plain, exif(8)), []byte("http://ns.adobe.com/xap/1.0/\x00<x/>")), 8},
		"zero":               {withAPP1(plain, exif(0)), 1},
		"nine":               {withAPP1(plain, exif(9)), 1},
		"cut":                {withAPP1(plain, exif(6)[:30]), 1},
		"no TIFF":            {withAPP1(plain, append(bytes.Clone(exifHead), make([]byte, 40)...)), 1},
		"directory far away": {withAPP1(plain, append(bytes.Clone(exifHead), "II*\x00\xff\xff\xff\xff"...)), 1},
		"behind the picture": {append(bytes.Clone(plain), withAPP1(plain, exif(6))[2:]...), 1},
		"fill before it":     {slices.Concat(plain[:2], []byte{0xff, 0xff}, withAPP1(plain, exif(3))[2:]), 3},
	} {
		if got := f.orientationOf(c.data); got != c.want {
			t.Errorf("%s: orientation %d, want %d", name, got, c.want)
		}
	}
}

// Width and height of the header are those of the stored pixels: what the limits
// say of a picture does not depend on how it is shown.
func TestLimitsHoldForTurnedPictures(t *testing.T) {
	data := withChunk(encodePNG(t, paint(40, 10, ramp)), "eXIf", tiff(binary.BigEndian, 6), false)
	for pixels, good := range map[int]bool{400: true, 399: false} {
		lim := Limits{MaxPixels: pixels}
		_, err := Decode(PNG, data, rgb, lim)
		if _, checked := Check(PNG, data, rgb, lim); (checked == nil) != good || (err == nil) != good {
			t.Errorf("%d pixels: check %v, decode %v", pixels, checked, err)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(append([]byte("\xff\xd8\xff\xe1\x00\x30Exif\x00\x00"), tiff(binary.BigEndian, 6)...))
	f.Add(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x26eXIf"), tiff(binary.LittleEndian, 6)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range formats {
			if !bytes.HasPrefix(data, kind.signature) {
				continue
			}
			if o := kind.orientationOf(data); o < 1 || o > 8 {
				t.Errorf("orientation %d", o)
			}
		}
	})
}
