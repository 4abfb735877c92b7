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

// spanOf is a stretch in samples, each of which stands for as many pixels as each says, and the first
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
// each in 16 bits.
type filter struct {
	across, down taps
	blended      [4][]blended
	columns      []uint64
	spare        []byte    // takes the lines beyond the last
	last         [2][]byte // lines that end with the plane
}

var filters = sync.Pool{New: func() any { return new(filter) }}

// taps are what makes the target samples of a line: of each, as many samples from
// a first one on, by weights whose sum is weightOne.
type taps struct {
	first   []int
	each    int
	weights []uint64 // each of a target sample
	exact   []float64
}

// fill makes the taps of n target samples of a stretch.
func (ts *taps) fill(s span, n int) {
	scale := (s.to - s.from) / float64(n)
	support := max(scale, 1)
	ts.each = evenly(min(2*int(math.Ceil(support))+1, s.samples))
	ts.first = slices.Grow(ts.first[:0], n)[:n]
	ts.weights = slices.Grow(ts.weights[:0], n*ts.each)[:n*ts.each]
	longest := 1
	for i := range n {
		centre := s.from + (float64(i)+0.5)*scale
		first := max(0, int(math.Floor(centre-support)))
		last := min(s.samples, int(math.Ceil(centre+support)))
		weights := ts.weights[i*ts.each:][:ts.each]
		ts.triangle(weights[:last-first], s, first, centre, support)
		clear(weights[last-first:])
		skipped := 0
		for weights[skipped] == 0 { // often the first and the last only touch
			skipped++
		}
		copy(weights, weights[skipped:])
		clear(weights[len(weights)-skipped:])
		ts.first[i] = first + skipped
		for j := len(weights) - 1; j >= longest; j-- {
			if weights[j] > 0 {
				longest = j + 1
			}
		}
	}
	ts.shorten(evenly(longest))
}

// evenly rounds the number of weights up to an even number: two and four are summed up without
// a loop.
func evenly(weights int) int { return (weights + 1) &^ 1 }

// shorten leaves each weights per target sample.
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
func (ts *taps) triangle(weights []uint64, s span, first int, centre, support float64) {
	ts.exact = slices.Grow(ts.exact[:0], len(weights))[:len(weights)]
	sum := 0.0
	for i := range weights {
		at := float64(first + i)
		ts.exact[i] = max(0, 1-math.Abs(at+0.5-centre)/support) * (min(at+1, s.end) - max(at, s.begin))
		sum += ts.exact[i]
	}
	cumulated, given := 0.0, uint64(0)
	for i, w := range ts.exact {
		cumulated += w
		upTo := uint64(cumulated/sum*weightOne + 0.5)
		weights[i], given = upTo-given, upTo
	}
}

// apply writes the plane's resampled samples to every fourth byte of to, four
// lines at a time: first each column of theirs, then each line.
func (m *filter) apply(p plane, to []byte, width, height int) {
	eights := (m.across.first[width-1] + m.across.each + 7) / 8 // columns that are read, in eights
	m.columns = slices.Grow(m.columns[:0], 8*eights)[:8*eights]
	m.spare = slices.Grow(m.spare[:0], 4*width)[:4*width]
	for r := range m.blended {
		m.blended[r] = slices.Grow(m.blended[r][:0], eights)[:eights]
	}
	for y := 0; y < height; y += 4 {
		var lines [4][]byte
		for r := range lines {
			lines[r] = m.spare
			if y+r < height {
				lines[r] = to[4*(y+r)*width:]
				m.blend(p, y+r, m.blended[r])
			}
		}
		m.turn()
		m.lines(lines[0], lines[1], lines[2], lines[3])
	}
}

// lines makes four lines of the target from the columns.
func (m *filter) lines(a, b, c, d []byte) {
	n := 4 * len(m.across.first)
	a, b, c, d = a[:n-3], b[:n-3], c[:n-3], d[:n-3]
	columns, weights := m.columns, m.across.weights
	for x, first := range m.across.first {
		sum := uint64(halves)
		switch m.across.each {
		case 2:
			v, w := (*[2]uint64)(columns[first:]), (*[2]uint64)(weights[2*x:])
			sum += v[0]*w[0] + v[1]*w[1]
		case 4:
			v, w := (*[4]uint64)(columns[first:]), (*[4]uint64)(weights[4*x:])
			sum += v[0]*w[0] + v[1]*w[1] + v[2]*w[2] + v[3]*w[3]
		default:
			for i, w := range m.across.of(x) {
				sum += columns[first+i] * w
			}
		}
		a[4*x], b[4*x], c[4*x], d[4*x] = byte(sum>>8), byte(sum>>24), byte(sum>>40), byte(sum>>56)
	}
}

// blended are eight samples of a line of the target, before its columns are
// weighed: the even and the odd ones, of 16 bits each.
type blended struct{ even, odd uint64 }

// blend makes a line of the target, times weightOne, from lines of the plane.
func (m *filter) blend(p plane, y int, out []blended) {
	for i := range out {
		out[i] = blended{halves, halves}
	}
	first, weights := m.down.first[y], m.down.of(y)
	for i := 0; i+1 < len(weights); i += 2 {
		add(out, m.line(0, p, first+i, 8*len(out)), m.line(1, p, first+i+1, 8*len(out)), weights[i], weights[i+1])
	}
}

// add adds two weighted lines.
func add(out []blended, a, b []byte, weightA, weightB uint64) {
	a, b = a[:8*len(out)], b[:8*len(out)]
	for i := range out {
		va, vb := binary.LittleEndian.Uint64(a[8*i:]), binary.LittleEndian.Uint64(b[8*i:])
		out[i].even += va&lanes*weightA + vb&lanes*weightB
		out[i].odd += va>>8&lanes*weightA + vb>>8&lanes*weightB
	}
}

// line returns samples of a line, zeros after its last one, with room for two lines
// at the end of the plane.
func (m *filter) line(room int, p plane, line, samples int) []byte {
	at := line * p.stride
	if at+samples <= len(p.pix) {
		return p.pix[at : at+samples]
	}
	last := slices.Grow(m.last[room][:0], samples)[:samples]
	m.last[room] = last
	clear(last[copy(last, p.pix[min(at, len(p.pix)):]):])
	return last
}

// turn makes columns of four lines.
func (m *filter) turn() {
	a, b, c, d := m.blended[0], m.blended[1], m.blended[2], m.blended[3]
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	for i := range a {
		out := (*[8]uint64)(m.columns[8*i:])
		out[0], out[2], out[4], out[6] = transpose(a[i].even>>8&lanes, b[i].even>>8&lanes, c[i].even>>8&lanes, d[i].even>>8&lanes)
		out[1], out[3], out[5], out[7] = transpose(a[i].odd>>8&lanes, b[i].odd>>8&lanes, c[i].odd>>8&lanes, d[i].odd>>8&lanes)
	}
}

// transpose swaps lines and columns of 4 times 4 numbers of 16 bits.
func transpose(m0, m1, m2, m3 uint64) (a, b, c, d uint64) {
	const everySecond, low = 0x0000ffff0000ffff, 0x00000000ffffffff
	t0, t1 := m0&everySecond|m1&everySecond<<16, m0>>16&everySecond|m1&^uint64(everySecond)
	t2, t3 := m2&everySecond|m3&everySecond<<16, m2>>16&everySecond|m3&^uint64(everySecond)
	return t0&low | t2<<32, t1&low | t3<<32, t0>>32 | t2&^uint64(low), t1>>32 | t3&^uint64(low)
}
