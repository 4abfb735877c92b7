package preprocess

import (
	"bytes"
	"encoding/binary"
	"image"
	"slices"
)

// upright is the orientation of a picture whose pixels lie as they are shown.
const upright = 1

// orientationOf returns how EXIF says that a picture is shown, 1 to 8: in APP1 of
// a JPEG or in the chunk eXIf of a PNG. It is upright where nothing is said that
// can be read, as viewers have it.
func (f format) orientationOf(data []byte) int {
	for block := range f.exif(data) {
		if o := orientationIn(block); o != 0 {
			return o
		}
	}
	return upright
}

// exif yields the blocks of EXIF of a picture, each a TIFF file of tags.
func (f format) exif(data []byte) func(yield func([]byte) bool) {
	if f.contentType == JPEG {
		return exifOfJPEG(data)
	}
	return exifOfPNG(data[len(f.signature):])
}

// exifHead stands before EXIF in a JPEG, and in some PNG files.
var exifHead = []byte("Exif\x00\x00")

// exifOfJPEG yields what the segments APP1 before the first scan hold.
func exifOfJPEG(data []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.IndexByte(data, 0xff)
			if i < 0 || i+1 >= len(data) {
				return
			}
			marker := data[i+1]
			data = data[i+1:]
			switch {
			case marker == markerFill:
				continue
			case marker == markerStuffed, marker == markerTemporary, marker >= markerFirstRestart && marker <= markerStart:
				data = data[1:]
				continue
			case marker == markerEnd, marker == markerScan, len(data) < 3:
				return
			}
			end := min(1+max(int(data[1])<<8|int(data[2]), 2), len(data))
			if segment := data[3:max(end, 3)]; marker == markerAPP1 && bytes.HasPrefix(segment, exifHead) {
				if !yield(segment[len(exifHead):]) {
					return
				}
			}
			data = data[end:]
		}
	}
}

// exifOfPNG yields the chunks eXIf of what follows a PNG's signature.
func exifOfPNG(data []byte) func(yield func([]byte) bool) {
	const around = 12 // bytes of a chunk's length, name and checksum
	return func(yield func([]byte) bool) {
		for len(data) >= around {
			length := binary.BigEndian.Uint32(data)
			if uint64(length) > uint64(len(data)-around) {
				return
			}
			name, chunk := string(data[4:8]), data[8:8+length]
			if name == "eXIf" && !yield(bytes.TrimPrefix(chunk, exifHead)) {
				return
			}
			data = data[around+length:]
		}
	}
}

// The tag of the orientation in a TIFF directory, and the types that it may have.
const (
	tagOrientation = 0x0112
	typeShort      = 3
	typeLong       = 4
)

// orientationIn reads the orientation out of EXIF's first directory (the others
// describe a thumbnail); 0 when there is none from 1 to 8.
func orientationIn(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if !slices.Contains([]string{"II*\x00", "MM\x00*"}, string(tiff[:4])) || at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		const size = 12 // bytes of tag, type, count and value
		if len(entries) < size {
			return 0
		}
		tag, kind, value := order.Uint16(entries), order.Uint16(entries[2:]), entries[8:size]
		entries = entries[size:]
		if tag != tagOrientation {
			continue
		}
		o := uint32(0)
		switch kind {
		case typeShort:
			o = uint32(order.Uint16(value))
		case typeLong:
			o = order.Uint32(value)
		}
		if o < 1 || o > 8 {
			return 0
		}
		return int(o)
	}
	return 0
}

// lying reports whether an orientation swaps width and height.
func lying(orientation int) bool { return orientation >= 5 }

// turned returns the picture as it is shown. What costs little is turned: the
// picture in the model's size and not the photograph.
func turned(stored *image.RGBA, orientation int) *image.RGBA {
	if orientation == upright {
		return stored
	}
	sw, sh := stored.Rect.Dx(), stored.Rect.Dy()
	w, h := sw, sh
	if lying(orientation) {
		w, h = sh, sw
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sx, sy := storedAt(orientation, x, y, sw, sh)
			copy(out.Pix[out.PixOffset(x, y):], stored.Pix[stored.PixOffset(sx, sy):][:4])
		}
	}
	return out
}

// storedAt is where the pixel that is shown at x, y lies in a stored picture of
// sw times sh pixels (EXIF 2.32, table of the tag Orientation).
func storedAt(orientation, x, y, sw, sh int) (sx, sy int) {
	switch orientation {
	case 2: // mirrored left to right
		return sw - 1 - x, y
	case 3: // by 180 degrees
		return sw - 1 - x, sh - 1 - y
	case 4: // mirrored top to bottom
		return x, sh - 1 - y
	case 5: // mirrored along the diagonal from the upper left
		return y, x
	case 6: // by 90 degrees clockwise
		return y, sh - 1 - x
	case 7: // mirrored along the other diagonal
		return sw - 1 - y, sh - 1 - x
	case 8: // by 90 degrees counter-clockwise
		return sw - 1 - y, x
	}
	return x, y
}
