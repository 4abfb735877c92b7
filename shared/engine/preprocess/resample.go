package preprocess

import (
	"encoding/binary"
	"image"
	"math"
	"slices"
	"sync"
)

// plane is one channel of a picture, a byte a sample, and the part of it that is
// seen: stretches of its lines and columns, from the samples on with which pix
// begins.
type plane struct {
	pix          []byte
	stride       int
	across, down span
}

// span is a stretch in samples of a line, from the first that it touches: what becomes
// the target, from and to, and what may be read for it, begin and end.
type span struct {
	from, to   float64
	begin, end float64
	samples    int // that may be read
}

// spanOf is a stretch in samples, each of which stands for so many pixels, and the first
// that it touches.
func spanOf(st stretch, each int) (s span, first int) {
	first = st.first / each
	in := func(pixels float64) float64 { return pixels/float64(each) - float64(first) }
	return span{
		from: in(st.from), to: in(st.to), begin: in(float64(st.first)), end: in(float64(st.last)),
		samples: (st.last+each-1)/each - first,
	}, first
}

// planeOf is what a view of a picture shows of a plane, of which a sample stands for
// perX times perY pixels. The plane begins with the sample of origin.
func planeOf(pix []byte, stride, perX, perY int, origin image.Point, v view) plane {
	across, x := spanOf(v.across, perX)
	down, y := spanOf(v.down, perY)
	return plane{pix[(y-origin.Y/perY)*stride+x-origin.X/perX:], stride, across, down}
}

// resample shrinks or grows planes, each in its own resolution, to the target's
// size with a triangle that widens as they shrink. Three planes become the first
// three bytes of a pixel, one plane all of them.
func resample(target *image.RGBA, planes ...plane) {
	width, height := target.Rect.Dx(), target.Rect.Dy()
	m := filters.Get().(*filter)
	defer filters.Put(m)
	for c, p := range planes {
		if c == 0 || p.across != planes[c-1].across || p.down != planes[c-1].down {
			m.across.fill(p.across, width)
			m.down.fill(p.down, height)
		}
		m.apply(p, target.Pix[c:], width, height)
	}
	if len(planes) == 1 {
		for i := 0; i < len(target.Pix); i += 4 {
			target.Pix[i+1], target.Pix[i+2] = target.Pix[i], target.Pix[i]
		}
	}
}

// weightOne is the sum of a filter's weights. With it a weighted sum of bytes fits
// 16 bits, and four of them are summed up in one 64-bit number.
const (
	weightOne = 256
	lanes     = 0x00ff00ff00ff00ff
	halves    = 0x0080008000800080
)

// filter is how the samples of a line and of a column are weighed, and room for
// the samples that four lines of the target are made from: a column has its four,
// in a number of 16 bits each.
type filter struct {
	across, down taps
	columns      []uint64
	spare        []byte // takes the lines beyond the last
}

var filters = sync.Pool{New: func() any { return new(filter) }}

// taps are what makes the target samples of a line: of each, as many samples from
// a first one on, by weights whose sum is weightOne.
type taps struct {
	first   []int
	each    int
	weights []uint64 // each of a target sample
}

// fill makes the taps of n target samples of a stretch.
func (ts *taps) fill(s span, n int) {
	scale := (s.to - s.from) / float64(n)
	support := max(scale, 1)
	ts.each = min(2*int(math.Ceil(support))+1, s.samples)
	ts.first = slices.Grow(ts.first[:0], n)[:n]
	ts.weights = slices.Grow(ts.weights[:0], n*ts.each)[:n*ts.each]
	longest := 1
	for i := range n {
		centre := s.from + (float64(i)+0.5)*scale
		first := max(0, int(math.Floor(centre-support)))
		last := min(s.samples, int(math.Ceil(centre+support)))
		weights := ts.weights[i*ts.each:][:ts.each]
		s.triangle(weights[:last-first], first, centre, support)
		clear(weights[last-first:])
		skipped := 0
		for weights[skipped] == 0 { // often the first and the last only touch
			skipped++
		}
		copy(weights, weights[skipped:])
		clear(weights[len(weights)-skipped:])
		ts.first[i] = first + skipped
		for j, w := range weights {
			if w > 0 {
				longest = max(longest, j+1)
			}
		}
	}
	ts.shorten(longest)
}

// shorten leaves so many weights of each target sample.
func (ts *taps) shorten(each int) {
	for i := range ts.first {
		copy(ts.weights[i*each:], ts.weights[i*ts.each:][:each])
	}
	ts.each, ts.weights = each, ts.weights[:len(ts.first)*each]
}

// of are the weights of a target sample.
func (ts *taps) of(i int) []uint64 { return ts.weights[i*ts.each:][:ts.each] }

// triangle makes the weights of the samples from first on: those at the ends count
// as far as they may be read. What is lost by rounding one goes to the next,
// so that the sum is exact.
func (s span) triangle(weights []uint64, first int, centre, support float64) {
	weight := func(i int) float64 {
		at := float64(first + i)
		return max(0, 1-math.Abs(at+0.5-centre)/support) * (min(at+1, s.end) - max(at, s.begin))
	}
	sum := 0.0
	for i := range weights {
		sum += weight(i)
	}
	cumulated, given := 0.0, uint64(0)
	for i := range weights {
		cumulated += weight(i)
		upTo := uint64(cumulated/sum*weightOne + 0.5)
		weights[i], given = upTo-given, upTo
	}
}

// apply writes the plane's resampled samples to every fourth byte of to, four
// lines at a time: first each column of theirs, then each line.
func (m *filter) apply(p plane, to []byte, width, height int) {
	n := m.across.first[width-1] + m.across.each
	m.columns = slices.Grow(m.columns[:0], n+8)[:n+8]
	m.spare = slices.Grow(m.spare[:0], 4*width)[:4*width]
	for y := 0; y < height; y += 4 {
		rows := min(4, height-y)
		for x := 0; x < n; x += 8 {
			m.blend(p, y, rows, x, (*[8]uint64)(m.columns[x:]))
		}
		var lines [4][]byte
		for r := range lines {
			lines[r] = m.spare
			if r < rows {
				lines[r] = to[4*(y+r)*width:]
			}
		}
		m.lines(lines[0], lines[1], lines[2], lines[3])
	}
}

// lines makes four lines of the target from the columns.
func (m *filter) lines(a, b, c, d []byte) {
	each := m.across.each
	for x, first := range m.across.first {
		sum := uint64(halves)
		weights := m.across.weights[x*each:][:each]
		for i, v := range m.columns[first:][:len(weights)] {
			sum += v * weights[i]
		}
		a[4*x], b[4*x], c[4*x], d[4*x] = byte(sum>>8), byte(sum>>24), byte(sum>>40), byte(sum>>56)
	}
}

// blend makes the samples of the lines from y on, up to four, in eight columns.
func (m *filter) blend(p plane, y, rows, column int, out *[8]uint64) {
	var even, odd [4]uint64
	for r := range rows {
		e, o, at := uint64(halves), uint64(halves), m.down.first[y+r]*p.stride+column
		for _, w := range m.down.of(y + r) {
			v := eight(p.pix, at)
			e += (v & lanes) * w
			o += (v >> 8 & lanes) * w
			at += p.stride
		}
		even[r&3], odd[r&3] = e>>8&lanes, o>>8&lanes
	}
	out[0], out[2], out[4], out[6] = transpose(even)
	out[1], out[3], out[5], out[7] = transpose(odd)
}

// eight are the samples from a place on; zeros where there are no more.
func eight(pix []byte, at int) uint64 {
	if at+8 <= len(pix) {
		return binary.LittleEndian.Uint64(pix[at:])
	}
	var last [8]byte
	copy(last[:], pix[min(at, len(pix)):])
	return binary.LittleEndian.Uint64(last[:])
}

// transpose swaps lines and columns of 4 times 4 numbers of 16 bits.
func transpose(m [4]uint64) (a, b, c, d uint64) {
	const everySecond, low = 0x0000ffff0000ffff, 0x00000000ffffffff
	t0, t1 := m[0]&everySecond|m[1]&everySecond<<16, m[0]>>16&everySecond|m[1]&^uint64(everySecond)
	t2, t3 := m[2]&everySecond|m[3]&everySecond<<16, m[2]>>16&everySecond|m[3]&^uint64(everySecond)
	return t0&low | t2<<32, t1&low | t3<<32, t0>>32 | t2&^uint64(low), t1>>32 | t3&^uint64(low)
}
