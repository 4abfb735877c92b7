// Package baseline decodes baseline JPEG pictures, the kind that nearly all
// photographs are, as far as a model needs them: only the part that it sees, at
// a half, a quarter or an eighth of the size where that suffices, into memory
// that is used again, and into planes of luma and chroma that are left in their
// own resolution.
//
// What is uncommon (progressive pictures, CMYK, several scans) or damaged in any
// way is not decoded: Decode says so, and the standard library's decoder, which
// reads all that this one reads, has the last word.
//
// References are to ITU-T T.81, the standard.
package baseline

import (
	"encoding/binary"
	"image"
	"sync"
)

// Plane is one channel of a picture.
type Plane struct {
	Pix           []byte
	Stride        int
	Width, Height int // in samples
	// A sample stands for PerX times PerY pixels of the picture.
	PerX, PerY int
}

// Picture is what was decoded: a plane of gray, or three of luma and chroma, as
// image.YCbCr has them. Samples outside of the part that was wanted are undefined.
type Picture struct {
	Planes []Plane
	memory *memory
}

// Free gives the picture's memory back. The picture is not used afterwards.
func (p *Picture) Free() { memories.Put(p.memory) }

// Want says which part of a picture of a size is wanted, which is not empty, and
// by which of the factors 1, 2, 4 and 8 it is made smaller; 0 wants nothing.
type Want func(width, height int) (part image.Rectangle, shrink int)

// Decode decodes a picture as far as it is wanted. It is false for pictures that
// it does not read; Free is called on the others. yield is called before each line of MCUs.
func Decode(data []byte, want Want, yield func()) (*Picture, bool) {
	m := memories.Get().(*memory)
	d := decoder{data: data, memory: m, yield: yield}
	if !d.segments() || !d.scan(want) {
		memories.Put(m)
		return nil, false
	}
	p := &Picture{memory: m}
	for i := range d.components {
		p.Planes = append(p.Planes, d.components[i].plane)
	}
	return p, true
}

// memory is what decoding takes and the next picture can use again.
type memory struct {
	pix    []byte // all planes
	coded  []byte // the scan without stuffed bytes
	ends   []int  // of its restart intervals in coded
	tables [2][2]table
	// quantization is in the order of the stream.
	quantization [4][64]int32
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// Markers, table B.1.
const (
	markerFrame         = 0xc0 // SOF0, baseline
	markerExtended      = 0xc1 // SOF1, decoded alike with samples of 8 bits
	markerHuffman       = 0xc4
	markerFirstRestart  = 0xd0
	markerPicture       = 0xd8
	markerEnd           = 0xd9
	markerScan          = 0xda
	markerQuantization  = 0xdb
	markerRestartEvery  = 0xdd
	markerApplication   = 0xe0 // to 0xef
	markerAdobe         = 0xee
	markerComment       = 0xfe
	restarts            = 8
	mostComponents      = 3
	sampleBits          = 8
	colourTransformByte = 11 // of Adobe's segment: 0 means RGB
)

// decoder reads one picture.
type decoder struct {
	*memory
	data          []byte // what is not read yet
	yield         func()
	width, height int
	components    []component
	quantized     [4]bool    // of quantization
	restartEvery  int        // MCUs; 0 means never
	defined       [2][2]bool // of tables
}

// component is a channel as the frame declares it.
type component struct {
	id           byte
	h, v         int // blocks of an MCU, across and down
	quantization byte
	dc, ac       *table
	factors      [64]int64 // of coefficients as they come
	shrink       int
	window       image.Rectangle // blocks that are wanted
	plane        Plane
}

// segments reads up to the scan's header, which it reads too.
func (d *decoder) segments() bool {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markerPicture {
		return false
	}
	d.data = d.data[2:]
	for len(d.data) >= 4 && d.data[0] == 0xff {
		marker, length := d.data[1], int(binary.BigEndian.Uint16(d.data[2:]))
		if length < 2 || len(d.data) < 2+length {
			return false
		}
		segment := d.data[4 : 2+length]
		d.data = d.data[2+length:]
		if marker == markerScan {
			return d.scanHeader(segment)
		}
		if !d.segment(marker, segment) {
			return false
		}
	}
	return false
}

func (d *decoder) segment(marker byte, segment []byte) bool {
	switch {
	case marker == markerFrame, marker == markerExtended:
		return d.frame(segment)
	case marker == markerHuffman:
		return d.huffman(segment)
	case marker == markerQuantization:
		return d.quantize(segment)
	case marker == markerRestartEvery && len(segment) == 2:
		d.restartEvery = int(binary.BigEndian.Uint16(segment))
		return true
	case marker == markerAdobe:
		return len(segment) <= colourTransformByte || string(segment[:5]) != "Adobe" || segment[colourTransformByte] != 0
	}
	return marker == markerComment || marker&0xf0 == markerApplication
}

// frame reads the size and the components, B.2.2.
func (d *decoder) frame(s []byte) bool {
	if len(d.components) > 0 || len(s) < 6 || s[0] != sampleBits || len(s) != 6+3*int(s[5]) || s[5] != 1 && s[5] != mostComponents {
		return false
	}
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	for c := s[6:]; len(c) > 0; c = c[3:] {
		d.components = append(d.components, component{id: c[0], h: int(c[1] >> 4), v: int(c[1] & 15), quantization: c[2]})
		if c[2] >= 4 {
			return false
		}
	}
	return d.width > 0 && d.height > 0 && d.sampling()
}

// sampling reports whether luma has 1, 2 or 4 samples for one of chroma across, and
// 1 or 2 down. A component that is alone has blocks of its own, A.2.2.
func (d *decoder) sampling() bool {
	c := d.components
	if len(c) == 1 {
		ok := c[0].h >= 1 && c[0].h <= 4 && c[0].h != 3 && c[0].v >= 1 && c[0].v <= 4 && c[0].v != 3
		c[0].h, c[0].v = 1, 1
		return ok
	}
	if c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' || c[0].id == c[1].id || c[1].id == c[2].id || c[0].id == c[2].id {
		return false
	}
	h, v := c[0].h, c[0].v
	return (h == 1 || h == 2 || h == 4) && (v == 1 || v == 2) && c[1].h == 1 && c[1].v == 1 && c[2].h == 1 && c[2].v == 1
}

// quantize reads tables of quantization, B.2.4.1.
func (d *decoder) quantize(s []byte) bool {
	for len(s) > 0 {
		size, wide := 1, s[0]>>4
		if wide == 1 {
			size = 2
		}
		if s[0]&15 >= 4 || wide > 1 || len(s) < 1+64*size {
			return false
		}
		t := &d.quantization[s[0]&15]
		for i := range t {
			t[i] = int32(s[1+i*size])
			if wide == 1 {
				t[i] = int32(binary.BigEndian.Uint16(s[1+2*i:]))
			}
		}
		d.quantized[s[0]&15] = true
		s = s[1+64*size:]
	}
	return true
}

// scanHeader reads which tables the components use, B.2.3. All components are in
// the one scan, in the order of the frame.
func (d *decoder) scanHeader(s []byte) bool {
	n := len(d.components)
	if n == 0 || len(s) != 4+2*n || int(s[0]) != n {
		return false
	}
	for i := range d.components {
		c, dc, ac := &d.components[i], s[2+2*i]>>4, s[2+2*i]&15
		if s[1+2*i] != c.id || dc > 1 || ac > 1 || !d.defined[0][dc] || !d.defined[1][ac] || !d.quantized[c.quantization] {
			return false
		}
		c.dc, c.ac = &d.tables[0][dc], &d.tables[1][ac]
	}
	return true
}
