package preprocess

import (
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// A grey picture of the model's size must give the numbers that the network
// was trained on, to the last bit.
func TestGreyPixelsAreExact(t *testing.T) {
	for from := 0; from < 256; from += 128 {
		picture := image.NewGray(image.Rect(0, 0, 28, 28))
		for i := range picture.Pix {
			picture.Pix[i] = uint8(from + i%128)
		}
		got, err := Decode(PNG, encodePNG(t, picture), grey, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Shape, []int64{1, 1, 28, 28}) {
			t.Fatalf("shape %v", got.Shape)
		}
		for i, v := range got.Data {
			want := float32(picture.Pix[i]) / 255
			if math.Float32bits(v) != math.Float32bits(want) {
				t.Fatalf("pixel %d: %v, want %v", picture.Pix[i], v, want)
			}
		}
	}
}

// Every kind of picture of one color gives that color.
func TestKindsOfPicture(t *testing.T) {
	orange := color.NRGBA{R: 255, G: 128, B: 0, A: 255}
	box := image.Rect(0, 0, 16, 16)
	kinds := map[string]interface {
		image.Image
		Set(x, y int, c color.Color)
	}{
		"RGBA": image.NewRGBA(box), "NRGBA": image.NewNRGBA(box), "NRGBA64": image.NewNRGBA64(box),
		"RGBA64": image.NewRGBA64(box), "paletted": image.NewPaletted(box, color.Palette{color.Black, orange}),
	}
	for name, picture := range kinds {
		t.Run(name, func(t *testing.T) {
			for y := range 16 {
				for x := range 16 {
					picture.Set(x, y, orange)
				}
			}
			wantColour(t, PNG, encodePNG(t, picture), 255, 128, 0, 0)
			wantColour(t, JPEG, encodeJPEG(t, picture), 255, 128, 0, 3)
		})
	}
	t.Run("CMYK", func(t *testing.T) {
		data, err := os.ReadFile("testdata/red-cmyk.jpg")
		if err != nil {
			t.Fatal(err)
		}
		wantColour(t, JPEG, data, 255, 0, 0, 3)
	})
}

// wantColour fails unless all of a picture has a color, within a tolerance.
func wantColour(t *testing.T, contentType string, data []byte, r, g, b, tolerance float64) {
	t.Helper()
	got, err := Decode(contentType, data, rgb, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got.Data {
		want := []float64{r, g, b}[i/(16*16)]
		if d := math.Abs(float64(v)*255 - want); d > tolerance+1e-4 {
			t.Fatalf("%s: channel %d is %v, want %v", contentType, i/(16*16), v*255, want)
		}
	}
}

func TestGreyOfOtherPictures(t *testing.T) {
	deep := image.NewGray16(image.Rect(0, 0, 28, 28))
	faint := image.NewNRGBA(deep.Rect)
	for y := range 28 {
		for x := range 28 {
			deep.SetGray16(x, y, color.Gray16{Y: 0x80ff})
			faint.SetNRGBA(x, y, color.NRGBA{R: 255, G: 255, B: 255, A: 51})
		}
	}
	blue := paint(28, 28, func(int, int) color.RGBA { return color.RGBA{B: 255, A: 255} })
	for name, c := range map[string]struct {
		picture image.Image
		want    float32
	}{
		"16 bits keep the upper 8":  {deep, 128},
		"a fifth of white on black": {faint, 51},
		"blue by its brightness":    {blue, 29},
	} {
		got, err := Decode(PNG, encodePNG(t, c.picture), grey, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Data[0] != c.want/255 {
			t.Errorf("%s: %v, want %v", name, got.Data[0]*255, c.want)
		}
	}
}

func TestLayoutMeanAndStd(t *testing.T) {
	picture := paint(2, 1, func(x, _ int) color.RGBA { return color.RGBA{R: 0, G: uint8(51 * x), B: 255, A: 255} })
	s := Spec{Width: 2, Height: 1, Channels: 3, Mean: []float32{0.5, 0, 1}, Std: []float32{0.25, 1, 2}}
	for layout, want := range map[string]struct {
		shape []int64
		data  []float32
	}{
		"":           {[]int64{1, 3, 1, 2}, []float32{-2, -2, 0, 0.2, 0, 0}},
		profile.NHWC: {[]int64{1, 1, 2, 3}, []float32{-2, 0, 0, -2, 0.2, 0}},
	} {
		s.Layout = layout
		got, err := Decode(PNG, encodePNG(t, picture), s, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Shape, want.shape) || !slices.Equal(got.Data, want.data) {
			t.Errorf("layout %q: %v, want %v", layout, got, want)
		}
	}
	s = Spec{Width: 2, Height: 1, Channels: 1, Scale: 1}
	got, err := Decode("Image/PNG; charset=binary", encodePNG(t, picture), s, Limits{})
	if err != nil || got.Data[0] != 29 {
		t.Errorf("scale 1: %v, %v", got, err)
	}
}

func TestRawTensor(t *testing.T) {
	s := Spec{Width: 2, Height: 1, Channels: 1, Mean: []float32{9}} // nothing is scaled
	got, err := Decode(RawTensor, floats(-1.5, 1e9), s, Limits{})
	if err != nil || !slices.Equal(got.Data, []float32{-1.5, 1e9}) || !slices.Equal(got.Shape, []int64{1, 1, 1, 2}) {
		t.Fatalf("%v, %v", got, err)
	}
}

// Only numbers that are finite are said to be.
func TestASpecMayLeadBeyondNumbers(t *testing.T) {
	for scale, want := range map[float64]bool{0: true, 1: true, 1e300: false} {
		got, err := Decode(PNG, encodePNG(t, paint(16, 16, ramp)), Spec{Width: 16, Height: 16, Channels: 3, Scale: scale}, Limits{})
		if err != nil || got.Finite != want {
			t.Errorf("scale %v: finite %v, error %v", scale, got.Finite, err)
		}
	}
}

// What is in a file apart from the pixels changes nothing.
func TestRestOfTheFileIsIgnored(t *testing.T) {
	picture := paint(16, 16, ramp)
	plainPNG, plainJPEG := encodePNG(t, picture), encodeJPEG(t, picture)
	for _, c := range []struct {
		name, contentType string
		plain, other      []byte
	}{
		{"bytes after a PNG", PNG, plainPNG, append(slices.Clone(plainPNG), "rest"...)},
		{"bytes after a JPEG", JPEG, plainJPEG, append(slices.Clone(plainJPEG), "rest"...)},
		{"XMP", JPEG, plainJPEG, withAPP1(plainJPEG, []byte("http://ns.adobe.com/xap/1.0/\x00<x/>"))},
	} {
		want, err := Decode(c.contentType, c.plain, rgb, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(c.contentType, c.other, rgb, Limits{})
		if err != nil || !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s: another tensor, or %v", c.name, err)
		}
	}
}

func TestInputErrors(t *testing.T) {
	aPNG, aJPEG := encodePNG(t, paint(28, 28, ramp)), encodeJPEG(t, paint(28, 28, ramp))
	broken := slices.Clone(aPNG)
	broken[len(broken)/2] ^= 0xff
	nan := make([]float32, 784)
	nan[5] = float32(math.NaN())
	for name, c := range map[string]struct {
		contentType string
		data        []byte
		lim         Limits
		want        string
	}{
		"unknown type":     {"image/gif", aPNG, Limits{}, `input.content_type: "image/gif" is not accepted, only image/png, image/jpeg and`},
		"no type":          {"", aPNG, Limits{}, `input.content_type: "" is not accepted`},
		"JPEG as PNG":      {PNG, aJPEG, Limits{}, "input.content_type: is image/png, but the data is a JPEG picture"},
		"PNG as JPEG":      {JPEG, aPNG, Limits{}, "input.content_type: is image/jpeg, but the data is a PNG picture"},
		"neither":          {PNG, []byte("hello"), Limits{}, "input.data: not a PNG picture: it does not begin like one"},
		"empty":            {JPEG, nil, Limits{}, "input.data: not a JPEG picture: it does not begin like one"},
		"cut short":        {PNG, aPNG[:60], Limits{}, "input.data: not a PNG picture: png: invalid format: not enough pixel data"},
		"cut JPEG":         {JPEG, aJPEG[:len(aJPEG)/2], Limits{}, "input.data: not a JPEG picture: unexpected EOF"},
		"header only":      {JPEG, aJPEG[:3], Limits{}, "input.data: not a JPEG picture:"},
		"broken":           {PNG, broken, Limits{}, "input.data: not a PNG picture: "},
		"too many bytes":   {PNG, aPNG, Limits{MaxBytes: 100}, "bytes are above the limit of 100"},
		"too many pixels":  {PNG, aPNG, Limits{MaxPixels: 783}, "input.data: picture of 28x28 pixels is above the limit of 783"},
		"bomb":             {PNG, pngHeader(30000, 30000), Limits{}, "picture of 30000x30000 pixels is above the limit of 1048576"},
		"widest":           {PNG, pngHeader(1<<31-1, 1<<31-1), Limits{}, "input.data: "},
		"empty picture":    {PNG, pngHeader(0, 5), Limits{}, "input.data: "},
		"tensor too short": {RawTensor, make([]byte, 3132), Limits{}, "input.data: 3132 bytes, not the 3136 of a float32 tensor of shape [1 1 28 28]"},
		"tensor with NaN":  {RawTensor, floats(nan...), Limits{}, "input.data: element 5 is NaN, not a finite number"},
		"PNG as tensor":    {RawTensor, append(slices.Clone(aPNG), make([]byte, 3136-len(aPNG))...), Limits{}, "input.content_type: is application/vnd.paragon.tensor+float32, but the data is a PNG picture"},
	} {
		_, err := Decode(c.contentType, c.data, grey, c.lim)
		var in *InputError
		if !errors.As(err, &in) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := Decode(PNG, aPNG, grey, Limits{MaxPixels: 784, MaxBytes: len(aPNG)}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

// A small file that unpacks to gigabytes is refused before it is unpacked.
func TestBombCostsNothing(t *testing.T) {
	bomb := pngHeader(30000, 30000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(PNG, bomb, grey, Limits{})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 1<<20 {
		t.Errorf("%v, and it took %d bytes", err, used)
	}
}

// A picture's tensor leaves nothing in the next one that takes its memory, and raw
// numbers are never given away.
func TestFree(t *testing.T) {
	bright, dark := encodePNG(t, paint(16, 16, func(int, int) color.RGBA { return color.RGBA{255, 255, 255, 255} })), encodePNG(t, paint(16, 16, ramp))
	want, err := Decode(PNG, dark, rgb, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	raw := floats(make([]float32, 16*16*3)...)
	for range 100 {
		for _, in := range []struct {
			contentType string
			data        []byte
		}{{PNG, bright}, {"Image/PNG; charset=binary", bright}, {RawTensor, raw}} {
			got, err := Decode(in.contentType, in.data, rgb, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			Free(in.contentType, got)
		}
		got, err := Decode(PNG, dark, rgb, Limits{})
		if err != nil || !slices.Equal(got.Data, want.Data) {
			t.Fatalf("the next picture is another, or %v", err)
		}
	}
	if !slices.Equal(raw, make([]byte, len(raw))) {
		t.Error("a picture was written into the caller's numbers")
	}
}
