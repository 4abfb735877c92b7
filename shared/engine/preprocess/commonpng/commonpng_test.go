package commonpng

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"testing"

	"pgregory.net/rapid"
)

// pieces are what a test puts a file together from.
type pieces struct {
	width, height int
	bits, color   byte
	interlaced    byte
	rows          []byte // with their filters
	cut           []int  // the lengths of the first chunks of pixels
	before, after []byte // chunks before and behind those of the pixels
}

func chunkOf(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func (p pieces) file() []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(p.width))
	head = binary.BigEndian.AppendUint32(head, uint32(p.height))
	out := append([]byte("\x89PNG\r\n\x1a\n"), chunkOf("IHDR", append(head, p.bits, p.color, 0, 0, p.interlaced))...)
	out = append(out, p.before...)
	packed := compressed(p.rows)
	for _, n := range p.cut {
		n = min(n, len(packed))
		out, packed = append(out, chunkOf("IDAT", packed[:n])...), packed[n:]
	}
	out = append(append(out, chunkOf("IDAT", packed)...), p.after...)
	return append(out, chunkOf("IEND", nil)...)
}

func compressed(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// drawn is a picture of a common kind, with any filters.
func drawn(t *rapid.T) pieces {
	p := pieces{width: rapid.IntRange(1, 9).Draw(t, "width"), height: rapid.IntRange(1, 7).Draw(t, "height"), bits: 8, color: rapid.SampledFrom([]byte{0, 2, 6}).Draw(t, "color")}
	bytes := map[byte]int{0: 1, 2: 3, 6: 4}[p.color]
	for range p.height {
		p.rows = append(p.rows, rapid.ByteRange(0, 4).Draw(t, "filter"))
		p.rows = append(p.rows, rapid.SliceOfN(rapid.Byte(), p.width*bytes, p.width*bytes).Draw(t, "row")...)
	}
	p.cut = rapid.SliceOfN(rapid.IntRange(0, 20), 0, 3).Draw(t, "cut")
	return p
}

// sameAsLibrary fails where a picture is decoded to another than the standard library
// decodes it to. It says whether it was decoded.
func sameAsLibrary(t rapid.TB, data []byte) bool {
	t.Helper()
	got, ok := Decode(data, func() {})
	if !ok {
		return false
	}
	defer got.Free()
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("decoded, but the library says %v", err)
	}
	if got.Bounds() != want.Bounds() || got.ColorModel() != want.ColorModel() {
		t.Fatalf("%v of %v, not %v of %v", got.Bounds(), got.ColorModel(), want.Bounds(), want.ColorModel())
	}
	var have, should []byte
	switch p := want.(type) {
	case *image.Gray:
		have, should = got.Image.(*image.Gray).Pix, p.Pix
	case *image.RGBA:
		have, should = got.Image.(*image.RGBA).Pix, p.Pix
	case *image.NRGBA:
		have, should = got.Image.(*image.NRGBA).Pix, p.Pix
	default:
		t.Fatalf("decoded, and the library makes it a %T", want)
	}
	if !bytes.Equal(have, should) {
		t.Fatalf("pixels %v, not %v", have, should)
	}
	return true
}

// Common pictures of every kind, filter and division into chunks come out as the standard
// library decodes them, also in memory that other pictures have used.
func TestCommonPicturesComeOutAsTheStandardLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if !sameAsLibrary(t, drawn(t).file()) {
			t.Fatal("not decoded")
		}
	})
}

// What is damaged anywhere is left to the standard library, or comes out as it does there.
func TestDamagedPicturesAreLeftToTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := drawn(t).file()
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				data[at] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
			case 1:
				data = data[:at+1]
			case 2:
				data = append(data[:at:at], data[at+1:]...)
			}
			if len(data) == 0 {
				return
			}
		}
		sameAsLibrary(t, data)
	})
}

func TestUncommonPicturesAreLeftToTheStandardLibrary(t *testing.T) {
	gray := pieces{width: 2, height: 2, bits: 8, rows: []byte{0, 1, 2, 0, 3, 4}}
	if !sameAsLibrary(t, gray.file()) {
		t.Fatal("the picture that the others differ from is not decoded")
	}
	with := func(change func(*pieces)) pieces {
		p := gray
		change(&p)
		return p
	}
	for name, p := range map[string]pieces{
		"16 bits":               with(func(p *pieces) { p.bits, p.rows = 16, make([]byte, 10) }),
		"palette":               with(func(p *pieces) { p.color, p.before = 3, chunkOf("PLTE", make([]byte, 15)) }),
		"gray and alpha":        with(func(p *pieces) { p.color, p.rows = 4, make([]byte, 10) }),
		"interlaced":            with(func(p *pieces) { p.interlaced = 1 }),
		"transparent color":     with(func(p *pieces) { p.before = chunkOf("tRNS", []byte{0, 1}) }),
		"unknown critical part": with(func(p *pieces) { p.before = chunkOf("ABCD", nil) }),
		"a filter of 5":         with(func(p *pieces) { p.rows = []byte{5, 1, 2, 0, 3, 4} }),
		"a row too few":         with(func(p *pieces) { p.rows = p.rows[:3] }),
		"a row too many":        with(func(p *pieces) { p.rows = append(p.rows[:6:6], 0, 1, 2) }),
		"a chunk more":          with(func(p *pieces) { p.after = chunkOf("IDAT", []byte("more")) }),
		"pixels in two places":  with(func(p *pieces) { p.cut, p.after = []int{3}, append(chunkOf("tEXt", nil), chunkOf("IDAT", nil)...) }),
		"no width":              with(func(p *pieces) { p.width = 0 }),
		"a negative height":     with(func(p *pieces) { p.height = -1 }),
	} {
		if _, ok := Decode(p.file(), func() {}); ok {
			t.Errorf("%s: decoded", name)
		}
	}
	for name, p := range map[string]pieces{
		"a text before and behind": with(func(p *pieces) { p.before, p.after = chunkOf("tEXt", []byte("a")), chunkOf("tEXt", []byte("b")) }),
		"an empty chunk":           with(func(p *pieces) { p.cut = []int{0, 1} }),
	} {
		if !sameAsLibrary(t, p.file()) {
			t.Errorf("%s: not decoded", name)
		}
	}
}

// A picture's bytes are not kept when it is done: they belong to a request.
func TestNothingOfTheFileIsKept(t *testing.T) {
	m := new(memory)
	memories.Put(m)
	p, ok := Decode(pieces{width: 1, height: 1, bits: 8, rows: []byte{0, 1}}.file(), func() {})
	if !ok || p.memory.compressed.parts != nil {
		t.Fatalf("decoded: %v, kept: %v", ok, p.memory.compressed.parts)
	}
	p.Free()
}

func FuzzDecode(f *testing.F) {
	for color, row := range map[byte]int{0: 3, 2: 7, 6: 9} {
		f.Add(pieces{width: 2, height: 2, bits: 8, color: color, rows: make([]byte, 2*row)}.file())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		if c, err := png.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width > 0 && c.Height > 1<<20/c.Width {
			return // others bound the size before
		}
		sameAsLibrary(t, data)
	})
}
