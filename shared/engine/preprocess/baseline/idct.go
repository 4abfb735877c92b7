package baseline

import "encoding/binary"

// The inverse transform is the one of Arai, Agui and Nakajima ("A fast DCT-SQ
// scheme for images", 1988), which leaves most multiplications to quantization:
// scales has what those coefficients are multiplied by. A number has two values of
// 32 bits, so that two columns, and after that two lines, are transformed at once:
// all is linear, and what overflows the lower value moves the upper one by less
// than what is rounded.
const (
	// Bits after the point of coefficients, and of samples between the passes.
	coefficientBits, betweenBits = 12, 8
	// Bits after the point of the factors of the transform; each pass multiplies by one.
	factorBits = 8
	factor1414 = 362 // sqrt(2)
	factor1848 = 473 // 2 cos(pi/8)
	factor1082 = 277 // 2 (cos(pi/8) - cos(3 pi/8))
	factor2613 = 669 // 2 (cos(pi/8) + cos(3 pi/8))

	sampleAt = betweenBits + factorBits // of a value after both passes
	// What is added to the mean of a block: samples begin at -128, and are rounded.
	level = 128<<coefficientBits + 1<<(coefficientBits-1)

	ofBoth = 1<<32 + 1 // times a value: both are that
	upper  = 32        // of a number's values
)

// scales are the factors of coefficients by the number of samples that the transform
// gives in each direction.
var scales = map[int][8]float64{
	8: {1, 1.387039845, 1.306562965, 1.175875602, 1, 0.785694958, 0.541196100, 0.275899379},
	4: {1, 1.306562965, 1, 0.541196100},
	2: {1, 1},
	1: {1},
}

// block is 8 times 8 coefficients: four pairs of columns, from top to bottom.
type block [32]int64

// place is where a block has the coefficient of a line and a column, in which half
// of a number.
func place(line, column int) (at uint8, shift uint) {
	return uint8(column/2*8 + line), uint(column%2) * upper
}

// places are those of the coefficients as they come.
var places = func() (out [64]uint8) {
	for k, at := range order {
		out[k], _ = place(int(at/8), int(at%8))
	}
	return out
}()

// factors turns a table of quantization into the factors of a block's coefficients,
// in their order in the file, for a transform into samples in each direction.
func factors(quantization *[64]int32, samples int) (out [64]int64) {
	scale := scales[samples]
	for k, q := range quantization {
		line, column := order[k]/8, order[k]%8
		_, shift := place(int(line), int(column))
		out[k] = int64(float64(q)*scale[line]*scale[column]*(1<<coefficientBits/8)+0.5) << shift
	}
	return out
}

// restore turns coefficients into the samples of a block, of 8, 4, 2 or 1 in each
// direction, at the beginning of to. last is the last of them that is not zero.
func (c *component) restore(b *block, last int, to []byte) {
	switch stride := c.plane.Stride; {
	case last == 0:
		c.flat(single(b[0]), to)
	case c.shrink == 1:
		b.restore8(last, to, stride)
	case c.shrink == 2:
		b.restore4(to, stride)
	case c.shrink == 4:
		b.restore2(to, stride)
	}
}

// flat fills a block with one sample.
func (c *component) flat(sample byte, to []byte) {
	if c.shrink == 1 {
		for y := range 8 {
			binary.LittleEndian.PutUint64(to[y*c.plane.Stride:], uint64(sample)*0x0101010101010101)
		}
		return
	}
	for y := range 8 / c.shrink {
		line := to[y*c.plane.Stride:][:8/c.shrink]
		for x := range line {
			line[x] = sample
		}
	}
}

// even is what the even coefficients make of the samples, the outermost first.
func even(x0, x2, x4, x6 int64) (e0, e1, e2, e3 int64) {
	t0, t1, t3 := (x0+x4)<<factorBits, (x0-x4)<<factorBits, (x2+x6)<<factorBits
	t2 := (x2-x6)*factor1414 - t3
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

// odd is what the odd coefficients add to the first half of the samples, and take
// from the second, the outermost first.
func odd(x1, x3, x5, x7 int64) (o0, o1, o2, o3 int64) {
	s17, d17, s53, d53 := x1+x7, x1-x7, x5+x3, x5-x3
	z := (d53 + d17) * factor1848
	o0 = (s17 + s53) << factorBits
	o1 = z - d53*factor2613 - o0
	o2 = (s17-s53)*factor1414 - o1
	return o0, o1, o2, z - d17*factor1082 - o2
}

// turn makes of two lines of a pair of columns, after the first pass, the columns
// of that pair of lines.
func turn(line0, line1 int64) (column0, column1 int64) {
	const drop = coefficientBits + factorBits - betweenBits
	low0, low1 := int64(int32(line0)), int64(int32(line1))
	return low0>>drop + low1>>drop<<upper, (line0-low0)>>(upper+drop) + (line1-low1)>>(upper+drop)<<upper
}

// lastInCorner is the last coefficient that comes before all others than those in
// the 4 lines and columns of the lowest frequencies. In them, many blocks have all
// that is not zero.
const lastInCorner = 9

// pairs is how many pairs of columns have coefficients up to the last.
func pairs(last int) int {
	const inThird, inFourth = 14, 27 // the first ones in the third pair, and in the fourth
	switch {
	case last < inThird:
		return 2
	case last < inFourth:
		return 3
	}
	return 4
}

func (b *block) restore8(last int, to []byte, stride int) {
	if last <= lastInCorner {
		b.restoreCorner(to, stride)
		return
	}
	var turned [4][4][2]int64 // by pairs of lines, then of columns
	for p := range pairs(last) {
		v, p := (*[8]int64)(b[8*p:]), p&3
		e0, e1, e2, e3 := even(v[0], v[2], v[4], v[6])
		o0, o1, o2, o3 := odd(v[1], v[3], v[5], v[7])
		turned[0][p][0], turned[0][p][1] = turn(e0+o0, e1+o1)
		turned[1][p][0], turned[1][p][1] = turn(e2+o2, e3+o3)
		turned[2][p][0], turned[2][p][1] = turn(e3-o3, e2-o2)
		turned[3][p][0], turned[3][p][1] = turn(e1-o1, e0-o0)
	}
	for q := range turned {
		v := &turned[q]
		e0, e1, e2, e3 := even(v[0][0], v[1][0], v[2][0], v[3][0])
		o0, o1, o2, o3 := odd(v[0][1], v[1][1], v[2][1], v[3][1])
		lines := to[2*q*stride:]
		line0, line1 := eight(e0+o0, e1+o1, e2+o2, e3+o3, e3-o3, e2-o2, e1-o1, e0-o0)
		binary.LittleEndian.PutUint64(lines, line0)
		binary.LittleEndian.PutUint64(lines[stride:], line1)
	}
}

// restoreCorner is restore8 where all but the coefficients in the corner of 4
// lines and columns are zero.
func (b *block) restoreCorner(to []byte, stride int) {
	var turned [4][4]int64
	for p := range 2 {
		v, p := (*[4]int64)(b[8*p:]), p*2
		e0, e1, e2, e3 := even(v[0], v[2], 0, 0)
		o0, o1, o2, o3 := odd(v[1], v[3], 0, 0)
		turned[0][p], turned[0][p+1] = turn(e0+o0, e1+o1)
		turned[1][p], turned[1][p+1] = turn(e2+o2, e3+o3)
		turned[2][p], turned[2][p+1] = turn(e3-o3, e2-o2)
		turned[3][p], turned[3][p+1] = turn(e1-o1, e0-o0)
	}
	for q := range turned {
		v := &turned[q]
		e0, e1, e2, e3 := even(v[0], v[2], 0, 0)
		o0, o1, o2, o3 := odd(v[1], v[3], 0, 0)
		lines := to[2*q*stride:]
		line0, line1 := eight(e0+o0, e1+o1, e2+o2, e3+o3, e3-o3, e2-o2, e1-o1, e0-o0)
		binary.LittleEndian.PutUint64(lines, line0)
		binary.LittleEndian.PutUint64(lines[stride:], line1)
	}
}

// eight are two lines of eight samples, which are the lower and the upper values.
func eight(y0, y1, y2, y3, y4, y5, y6, y7 int64) (line0, line1 uint64) {
	const beyond = 0xff000000 * ofBoth // bits that are zero in samples from 0 to 255
	if uint64(y0|y1|y2|y3|y4|y5|y6|y7)&beyond != 0 {
		y0, y1, y2, y3 = clamped(y0), clamped(y1), clamped(y2), clamped(y3)
		y4, y5, y6, y7 = clamped(y4), clamped(y5), clamped(y6), clamped(y7)
	}
	left, right := four(y0, y1, y2, y3), four(y4, y5, y6, y7)
	return left&(1<<upper-1) | right<<upper, left>>upper | right>>upper<<upper
}

// four are the samples of four numbers, as bytes: those of the lower values in the
// lower half.
func four(y0, y1, y2, y3 int64) uint64 {
	const samples = 0xff << sampleAt * ofBoth
	return uint64(y0)&samples>>16 | uint64(y1)&samples>>8 | uint64(y2)&samples | uint64(y3)&samples<<8
}

// clamped moves both values into the range of samples.
func clamped(y int64) int64 {
	low := int64(int32(y))
	high := (y - low) >> upper
	const most = 1<<(sampleAt+8) - 1
	return min(max(low, 0), most) + min(max(high, 0), most)<<upper
}

// restore4 makes half the size of a block: of the mean of four pixels that is what
// the lower half of the frequencies say.
func (b *block) restore4(to []byte, stride int) {
	var turned [2][4]int64
	for p := range 2 {
		v, p := (*[4]int64)(b[8*p:]), p*2
		y0, y1, y2, y3 := even(v[0], v[1], v[2], v[3])
		turned[0][p], turned[0][p+1] = turn(y0, y1)
		turned[1][p], turned[1][p+1] = turn(y2, y3)
	}
	for q := range turned {
		v := &turned[q]
		y0, y1, y2, y3 := even(v[0], v[1], v[2], v[3])
		samples := four(clamped(y0), clamped(y1), clamped(y2), clamped(y3))
		lines := to[2*q*stride:]
		binary.LittleEndian.PutUint32(lines, uint32(samples))
		binary.LittleEndian.PutUint32(lines[stride:], uint32(samples>>upper))
	}
}

// restore2 makes a quarter of the size of a block.
func (b *block) restore2(to []byte, stride int) {
	for y, both := range [2]int64{b[0] + b[1], b[0] - b[1]} {
		low := int64(int32(both))
		high := (both - low) >> upper
		to[y*stride], to[y*stride+1] = single(low+high), single(low-high)
	}
}

// single is the sample of a value with coefficientBits after the point.
func single(v int64) byte {
	return byte(min(max(v>>coefficientBits, 0), 255))
}
