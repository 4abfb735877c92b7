package baseline

// Cosines of the fast inverse transform of Loeffler, Ligtenberg and Moschytz
// ("Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989), as
// the most common decoder has them: 13 bits after the point.
const (
	fixBits = 13
	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172

	passBits = 2 // kept after the point between the passes
)

// restore turns coefficients into the samples of a block, of 8, 4, 2 or 1 in each
// direction, at the beginning of to.
func (c *component) restore(b *block, flat bool, to []byte) {
	switch {
	case flat:
		even8 := sample((b[0] + 4) >> 3)
		for y := range 8 / c.shrink {
			line := to[y*c.plane.Stride:][:8/c.shrink]
			for x := range line {
				line[x] = even8
			}
		}
	case c.shrink == 1:
		restore8(b, to, c.plane.Stride)
	case c.shrink == 2:
		restore4(b, to, c.plane.Stride)
	case c.shrink == 4:
		restore2(b, to, c.plane.Stride)
	}
}

// sample moves a value into the range of samples.
func sample(v int32) byte {
	v += 128
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// odd is what the odd coefficients add to the first half of the samples, and take
// from the second, the outermost first.
func odd(x1, x3, x5, x7 int32) (o0, o1, o2, o3 int32) {
	z1, z2 := (x7+x1)*-fix0899, (x5+x3)*-fix2562
	z3, z4 := x7+x3, x5+x1
	z5 := (z3 + z4) * fix1175
	z3, z4 = z3*-fix1961+z5, z4*-fix0390+z5
	return x1*fix1501 + z1 + z4, x3*fix3072 + z2 + z3, x5*fix2053 + z2 + z4, x7*fix0298 + z1 + z3
}

// even is what the even coefficients make of the samples, the outermost first.
func even(x0, x2, x4, x6 int32) (e0, e1, e2, e3 int32) {
	z1 := (x2 + x6) * fix0541
	t2, t3 := z1-x6*fix1847, z1+x2*fix0765
	t0, t1 := (x0+x4)<<fixBits, (x0-x4)<<fixBits
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

func restore8(b *block, to []byte, stride int) {
	for x := range 8 { // columns
		if b[8+x]|b[16+x]|b[24+x]|b[32+x]|b[40+x]|b[48+x]|b[56+x] == 0 {
			v := b[x] << passBits
			b[x], b[8+x], b[16+x], b[24+x], b[32+x], b[40+x], b[48+x], b[56+x] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even(b[x], b[16+x], b[32+x], b[48+x])
		o0, o1, o2, o3 := odd(b[8+x], b[24+x], b[40+x], b[56+x])
		const shift, half = fixBits - passBits, 1 << (fixBits - passBits - 1)
		b[x], b[56+x] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		b[8+x], b[48+x] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		b[16+x], b[40+x] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		b[24+x], b[32+x] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
	for y := range 8 {
		w := (*[8]int32)(b[8*y:])
		line := to[y*stride:]
		line = line[:8:8]
		if w[1]|w[2]|w[3]|w[4]|w[5]|w[6]|w[7] == 0 {
			v := sample((w[0] + 1<<(passBits+2)) >> (passBits + 3))
			for x := range line {
				line[x] = v
			}
			continue
		}
		e0, e1, e2, e3 := even(w[0], w[2], w[4], w[6])
		o0, o1, o2, o3 := odd(w[1], w[3], w[5], w[7])
		const shift, half = fixBits + passBits + 3, 1 << (fixBits + passBits + 2)
		line[0], line[7] = sample((e0+o0+half)>>shift), sample((e0-o0+half)>>shift)
		line[1], line[6] = sample((e1+o1+half)>>shift), sample((e1-o1+half)>>shift)
		line[2], line[5] = sample((e2+o2+half)>>shift), sample((e2-o2+half)>>shift)
		line[3], line[4] = sample((e3+o3+half)>>shift), sample((e3-o3+half)>>shift)
	}
}

// fix1306 and fix0541 are sqrt(2) times the cosines of pi/8 and 3 pi/8.
const fix1306 = 10703

// four is the inverse transform of four values, times 2.
func four(x0, x1, x2, x3 int32) (y0, y1, y2, y3 int32) {
	e0, e1 := (x0+x2)<<fixBits, (x0-x2)<<fixBits
	o0, o1 := x1*fix1306+x3*fix0541, x1*fix0541-x3*fix1306
	return e0 + o0, e1 + o1, e1 - o1, e0 - o0
}

// restore4 makes half the size of a block: of the mean of four pixels that is
// what the lower half of the frequencies say.
func restore4(b *block, to []byte, stride int) {
	for x := range 4 {
		y0, y1, y2, y3 := four(b[x], b[8+x], b[16+x], b[24+x])
		const shift, half = fixBits - passBits, 1 << (fixBits - passBits - 1)
		b[x], b[8+x], b[16+x], b[24+x] = (y0+half)>>shift, (y1+half)>>shift, (y2+half)>>shift, (y3+half)>>shift
	}
	for y := range 4 {
		w := (*[4]int32)(b[8*y:])
		line := to[y*stride:]
		line = line[:4:4]
		y0, y1, y2, y3 := four(w[0], w[1], w[2], w[3])
		const shift, half = fixBits + passBits + 3, 1 << (fixBits + passBits + 2)
		line[0], line[1], line[2], line[3] = sample((y0+half)>>shift), sample((y1+half)>>shift), sample((y2+half)>>shift), sample((y3+half)>>shift)
	}
}

// restore2 makes a quarter of the size of a block.
func restore2(b *block, to []byte, stride int) {
	s0, d0, s1, d1 := b[0]+b[1], b[0]-b[1], b[8]+b[9], b[8]-b[9]
	to[0], to[1] = sample((s0+s1+4)>>3), sample((d0+d1+4)>>3)
	to[stride], to[stride+1] = sample((s0-s1+4)>>3), sample((d0-d1+4)>>3)
}
