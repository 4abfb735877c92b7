// Package commonpng decodes the common kinds of PNG pictures into memory that is used
// again: 8 bits a channel, gray, RGB or RGBA, not interlaced. The standard library's
// decoder allocates 50 KB for each picture, which takes longer than a small one's pixels.
//
// What is uncommon (palettes, 16 bits, interlaced, a transparent color) or damaged in any
// way is not decoded: Decode says so, and the standard library's decoder, which reads all
// that this one reads, has the last word.
//
// References are to the PNG specification, third edition (https://www.w3.org/TR/png-3/).
package commonpng

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
	"slices"
	"sync"
)

// Picture is an *image.Gray, *image.RGBA (opaque) or *image.NRGBA, as the standard library's
// decoder returns them.
type Picture struct {
	image.Image
	memory *memory
}

// Free gives the picture's memory back. The picture is not used afterwards.
func (p Picture) Free() { memories.Put(p.memory) }

// memory is what decoding takes and the next picture can use again.
type memory struct {
	inflate     io.ReadCloser
	compressed  chunksReader
	line, above []byte // of a row, its filter first
	pix         []byte
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// Decode decodes a picture. It is false for pictures that it does not read; Free is called
// on the others. The caller has bounded the width and height that the header says. yield is
// called after each row.
func Decode(data []byte, yield func()) (Picture, bool) {
	m := memories.Get().(*memory)
	picture, ok := m.decode(data, yield)
	m.compressed.parts = nil // which are the caller's
	if !ok {
		memories.Put(m)
		return Picture{}, false
	}
	return Picture{picture, m}, true
}

func (m *memory) decode(data []byte, yield func()) (image.Image, bool) {
	data, ok := bytes.CutPrefix(data, []byte("\x89PNG\r\n\x1a\n"))
	if !ok {
		return nil, false
	}
	first, data, ok := cutChunk(data)
	if !ok {
		return nil, false
	}
	h, ok := headerOf(first)
	if !ok {
		return nil, false
	}
	if m.compressed.parts, ok = pixelChunks(data); !ok {
		return nil, false
	}
	return m.pixels(h, yield)
}

// chunk is a part of a file (section 5.3).
type chunk struct {
	kind string
	data []byte
}

// cutChunk cuts a chunk off whose checksum is right. Its checks hold for the lengths
// of any number, as nothing is added to one.
func cutChunk(data []byte) (c chunk, rest []byte, ok bool) {
	const length, kind, sum = 4, 4, 4
	if len(data) < length+kind+sum {
		return chunk{}, nil, false
	}
	n := binary.BigEndian.Uint32(data)
	body := data[length:]
	if uint64(n) > uint64(len(body)-kind-sum) {
		return chunk{}, nil, false
	}
	checked, rest := body[:kind+n], body[kind+n:]
	return chunk{string(checked[:kind]), checked[kind:]}, rest[sum:], crc32.ChecksumIEEE(checked) == binary.BigEndian.Uint32(rest)
}

// header is what IHDR says (section 11.2.1).
type header struct {
	width, height int
	bytes         int // of a pixel
}

// headerOf reads the first chunk. It is false where that is not IHDR, and for uncommon kinds.
func headerOf(c chunk) (header, bool) {
	if c.kind != "IHDR" || len(c.data) != 13 {
		return header{}, false
	}
	h := header{width: int(int32(binary.BigEndian.Uint32(c.data))), height: int(int32(binary.BigEndian.Uint32(c.data[4:])))}
	if h.width < 1 || h.height < 1 {
		return header{}, false
	}
	switch string(c.data[8:]) { // bits, color type, compression, filters, interlacing
	case "\x08\x00\x00\x00\x00":
		h.bytes = 1
	case "\x08\x02\x00\x00\x00":
		h.bytes = 3
	case "\x08\x06\x00\x00\x00":
		h.bytes = 4
	default:
		return header{}, false
	}
	return h, true
}

// pixelChunks returns the parts of the compressed pixels in what follows IHDR, up to IEND.
func pixelChunks(data []byte) (parts [][]byte, ok bool) {
	ended := false // no more chunks of pixels may come
	for {
		c, rest, ok := cutChunk(data)
		if !ok {
			return parts, false
		}
		data = rest
		switch {
		case c.kind == "IEND":
			return parts, len(c.data) == 0 && len(parts) > 0
		case c.kind == "IDAT" && !ended:
			parts = append(parts, c.data)
		case c.kind[0]&0x20 == 0 || c.kind == "tRNS": // critical (section 5.4), or a transparent color
			return parts, false
		default:
			ended = len(parts) > 0
		}
	}
}

// chunksReader reads parts one after the other.
type chunksReader struct {
	parts [][]byte
}

func (r *chunksReader) Read(p []byte) (int, error) {
	if !r.more() {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	r.parts[0] = r.parts[0][n:]
	return n, nil
}

// ReadByte lets the decompressor read no further than its end.
func (r *chunksReader) ReadByte() (byte, error) {
	if !r.more() {
		return 0, io.EOF
	}
	b := r.parts[0][0]
	r.parts[0] = r.parts[0][1:]
	return b, nil
}

// more goes to the part that has the next byte. It is false at the end.
func (r *chunksReader) more() bool {
	for len(r.parts) > 0 && len(r.parts[0]) == 0 {
		r.parts = r.parts[1:]
	}
	return len(r.parts) > 0
}

// pixels decompresses the pixels.
func (m *memory) pixels(h header, yield func()) (image.Image, bool) {
	if !m.open() {
		return nil, false
	}
	row := 1 + h.width*h.bytes
	m.line, m.above = slices.Grow(m.line[:0], row)[:row], slices.Grow(m.above[:0], row)[:row]
	clear(m.above)
	kept := h.bytes // of a pixel in the picture, where RGB gets an alpha
	if kept == 3 {
		kept = 4
	}
	m.pix = slices.Grow(m.pix[:0], kept*h.width*h.height)[:kept*h.width*h.height]
	for y := range h.height {
		if _, err := io.ReadFull(m.inflate, m.line); err != nil || !unfilter(m.line[0], m.line[1:], m.above[1:], h.bytes) {
			return nil, false
		}
		keep(m.pix[y*kept*h.width:][:kept*h.width], m.line[1:], h.bytes)
		m.line, m.above = m.above, m.line
		yield()
	}
	// The end, with the checksum, and nothing behind it.
	if n, err := io.ReadFull(m.inflate, m.line[:1]); n > 0 || err != io.EOF {
		return nil, false
	}
	if _, err := m.compressed.ReadByte(); err != io.EOF {
		return nil, false
	}
	return pictureOf(m.pix, h), true
}

// open has the decompressor begin with the chunks.
func (m *memory) open() bool {
	var err error
	if again, ok := m.inflate.(zlib.Resetter); ok {
		err = again.Reset(&m.compressed, nil)
	} else {
		m.inflate, err = zlib.NewReader(&m.compressed)
	}
	return err == nil
}

// keep writes a row of pixels as the picture has them.
func keep(to, row []byte, bytes int) {
	if bytes != 3 {
		copy(to, row)
		return
	}
	for x := range len(row) / 3 {
		from, out := (*[3]byte)(row[3*x:]), (*[4]byte)(to[4*x:])
		out[0], out[1], out[2], out[3] = from[0], from[1], from[2], 255
	}
}

func pictureOf(pix []byte, h header) image.Image {
	all := image.Rect(0, 0, h.width, h.height)
	switch h.bytes {
	case 1:
		return &image.Gray{Pix: pix, Stride: h.width, Rect: all}
	case 3:
		return &image.RGBA{Pix: pix, Stride: 4 * h.width, Rect: all}
	}
	return &image.NRGBA{Pix: pix, Stride: 4 * h.width, Rect: all}
}

// unfilter makes a row of what was stored of it and of the row above (section 9.2). It
// is false for a filter that there is not.
func unfilter(filter byte, row, above []byte, bytes int) bool {
	above = above[:len(row)]
	switch filter {
	case 0:
	case 1: // the pixel on the left
		for i := bytes; i < len(row); i++ {
			row[i] += row[i-bytes]
		}
	case 2: // that above
		for i := range row {
			row[i] += above[i]
		}
	case 3: // the mean of both
		for i := range min(bytes, len(row)) {
			row[i] += above[i] / 2
		}
		for i := bytes; i < len(row); i++ {
			row[i] += byte((int(row[i-bytes]) + int(above[i])) / 2)
		}
	case 4: // the one of three that is nearest to their plane
		for i := range min(bytes, len(row)) {
			row[i] += above[i]
		}
		for i := bytes; i < len(row); i++ {
			row[i] += paeth(int(row[i-bytes]), int(above[i]), int(above[i-bytes]))
		}
	default:
		return false
	}
	return true
}

// paeth is that of left, up and corner which is nearest to left + up - corner (section 9.4).
func paeth(left, up, corner int) byte {
	toLeft, toUp := up-corner, left-corner
	toCorner := max(toLeft+toUp, -toLeft-toUp)
	toLeft, toUp = max(toLeft, -toLeft), max(toUp, -toUp)
	switch {
	case toLeft <= toUp && toLeft <= toCorner:
		return byte(left)
	case toUp <= toCorner:
		return byte(up)
	}
	return byte(corner)
}
