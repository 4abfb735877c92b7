package preprocess

import (
	"image/color"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// What decoding takes on one vCPU of the reference machine: nanoseconds a pixel and a
// byte of the file, above nearly all that BenchmarkPixels measures (in CPU time of
// its thread, 2 vCPU AMD EPYC, 26 November 2026: gray 3 to 8 ns a pixel, color 11 to
// 15, 16 bits a channel 19 to 45 and up to 114 where nothing was to compress, JPEG that
// the standard library decodes 15 to 20 and up to 45; of what the package baseline
// decodes, photographs 5 to 15 at the sizes of models and 2 to 7 at several times them,
// random pixels 9 to 21). A picture of random pixels takes no longer than this says.
const (
	pngNS, deepNS, jpegNS = 16.0, 48.0, 21.0 // a pixel; deep is PNG of 16 bits a channel
	scanNS                = 2.0              // a pixel, of each scan of a JPEG beyond the first
	pngByteNS, jpegByteNS = 17.0, 45.0

	baselineNS, baselineByteNS = 12.0, 18.0
	// largerBy is from how many times the model's pixels on a picture counts as more
	// than what its profile was measured with.
	largerBy = 2
)

// The default limit of a picture's pixels is a multiple of those that the model takes,
// 16 times its width and height, within bounds: a photograph of 12 megapixels for a
// model of 224 x 224, a screenshot for one of 28 x 28.
const (
	mostTimes                    = 256
	leastMaxPixels, topMaxPixels = 1 << 20, 1 << 24
)

// DefaultMaxPixels is the most pixels of a picture for a model when no other limit
// is set.
func (s Spec) DefaultMaxPixels() int {
	return min(max(leastMaxPixels, mostTimes*s.Width*s.Height), topMaxPixels)
}

// weigh returns what a picture of a file of that many bytes takes beyond what the profile
// of a model of that input includes; nothing of one of about the model's size.
func (f format) weigh(h header, bytes int, s Spec) profile.Decoding {
	own := s.Width * s.Height
	if h.pixels <= largerBy*own {
		return profile.Decoding{}
	}
	perPixel, perByte, memory := pngNS, pngByteNS, bytesOf(h.colors)
	switch {
	case f.contentType == JPEG && h.scans == 1 && h.colors != color.CMYKModel:
		perPixel, perByte = baselineNS, baselineByteNS
	case f.contentType == JPEG:
		more := h.scans - 1
		perPixel, perByte = jpegNS+scanNS*float64(max(0, more)), jpegByteNS
		if more > 0 { // a progressive one is kept as coefficients until its last scan
			memory += 4 * memory
		}
	case deep(h.colors):
		perPixel = deepNS
	}
	return profile.Decoding{
		Pixels: h.pixels, MS: (perPixel*float64(h.pixels-own) + perByte*float64(bytes)) / 1e6,
		MemoryMB: (memory*h.pixels + bytes + 1<<20 - 1) >> 20,
	}
}

// bytesOf is what a pixel takes in memory once it is decoded.
func bytesOf(m color.Model) int {
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// deep reports whether a channel has 16 bits.
func deep(m color.Model) bool {
	return m == color.Gray16Model || m == color.RGBA64Model || m == color.NRGBA64Model
}
