package preprocess

import "bytes"

// maxScans bounds the passes over the picture that a JPEG may ask for. A
// progressive one has about ten; a hostile one asks for thousands, each of a
// few bytes and each over all pixels, to keep a processor busy for minutes.
const maxScans = 64

// Markers of a JPEG stream; each follows a byte 0xff.
const (
	markerStuffed      = 0x00 // no marker: 0xff itself, in coded data
	markerTemporary    = 0x01
	markerFirstRestart = 0xd0
	markerStart        = 0xd8
	markerEnd          = 0xd9
	markerScan         = 0xda
	markerAPP1         = 0xe1
	markerFill         = 0xff
)

// countScans counts the scans of a JPEG up to its end. It only follows the
// markers and is as lenient as the decoder, which judges all the rest.
func countScans(data []byte) int {
	scans := 0
	for {
		i := bytes.IndexByte(data, 0xff)
		if i < 0 || i+1 >= len(data) {
			return scans
		}
		marker := data[i+1]
		data = data[i+1:]
		switch {
		case marker == markerFill: // the marker may still follow
			continue
		case marker == markerStuffed, marker == markerTemporary, marker >= markerFirstRestart && marker <= markerStart:
			data = data[1:]
			continue
		case marker == markerEnd:
			return scans
		case marker == markerScan:
			scans++
		}
		if len(data) < 3 {
			return scans
		}
		// The segment's length counts its own two bytes.
		length := max(int(data[1])<<8|int(data[2]), 2)
		data = data[min(1+length, len(data)):]
	}
}
