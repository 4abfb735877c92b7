package baseline

import (
	"encoding/binary"
	"image"
)

// order is the place in a block of the coefficients as they come, figure A.6.
var order = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// block is 8 times 8 coefficients, line by line.
type block [64]int32

// scan decodes the coded data.
func (d *decoder) scan(want Want) bool {
	if !d.unstuff() {
		return false
	}
	h, v := d.components[0].h, d.components[0].v
	across, down := (d.width+8*h-1)/(8*h), (d.height+8*v-1)/(8*v)
	every := across * down
	if d.restartEvery > 0 {
		every = d.restartEvery
	}
	if len(d.ends) != (across*down+every-1)/every {
		return false
	}
	part, shrink := want(d.width, d.height)
	if shrink == 0 {
		return false
	}
	d.layOut(part, shrink, across, down)
	begin, r := 0, reader{coded: d.coded}
	for i, end := range d.ends {
		r.at, r.next, r.n = begin, 0, 0
		first := i * every
		if !d.interval(&r, first, min(first+every, across*down), across) || r.used(begin) > 8*(end-begin) {
			return false
		}
		begin = end + padding
	}
	return true
}

// layOut gives every component its plane. Chroma that has half of luma's samples
// is made smaller by half as much.
func (d *decoder) layOut(part image.Rectangle, shrink, across, down int) {
	size := 0
	for i := range d.components {
		c := &d.components[i]
		perX, perY := d.components[0].h/c.h, d.components[0].v/c.v // pixels that a sample stands for
		c.shrink = shrink
		if perX > 1 && shrink > 1 {
			c.shrink = shrink / 2
		}
		c.window = image.Rect(part.Min.X/(8*perX), part.Min.Y/(8*perY), (part.Max.X+8*perX-1)/(8*perX), (part.Max.Y+8*perY-1)/(8*perY))
		edge := 8 / c.shrink
		c.plane = Plane{
			Stride: across * c.h * edge, PerX: perX * c.shrink, PerY: perY * c.shrink,
			Width: (d.width + perX*c.shrink - 1) / (perX * c.shrink), Height: (d.height + perY*c.shrink - 1) / (perY * c.shrink),
		}
		size += c.plane.Stride * down * c.v * edge
	}
	if cap(d.pix) < size {
		d.pix = make([]byte, size)
	}
	rest := d.pix[:cap(d.pix)]
	for i := range d.components {
		c := &d.components[i]
		n := c.plane.Stride * down * c.v * (8 / c.shrink)
		c.plane.Pix, rest = rest[:n:n], rest[n:]
	}
}

// interval decodes the MCUs from first to before last, A.2.
func (d *decoder) interval(r *reader, first, last, across int) bool {
	var dc [mostComponents]int32
	var b block
	for mcu := first; mcu < last; mcu++ {
		mx, my := mcu%across, mcu/across
		for i := range d.components {
			c := &d.components[i]
			q := &d.quantization[c.quantization]
			for y := my * c.v; y < (my+1)*c.v; y++ {
				for x := mx * c.h; x < (mx+1)*c.h; x++ {
					seen := x >= c.window.Min.X && x < c.window.Max.X && y >= c.window.Min.Y && y < c.window.Max.Y
					flat, ok := c.block(r, &b, q, &dc[i], seen, c.shrink < 8)
					if !ok {
						return false
					}
					if seen {
						edge := 8 / c.shrink
						c.restore(&b, flat, c.plane.Pix[y*edge*c.plane.Stride+x*edge:])
					}
				}
			}
		}
	}
	return true
}

// block decodes one block into b, F.2.2, or reads over it. flat says that it has
// no detail: all but the mean is zero.
func (c *component) block(r *reader, b *block, q *[64]int32, dc *int32, seen, detail bool) (flat, ok bool) {
	coded, at, next, n := r.coded, r.at, r.next, r.n
	table, t, any := &c.dc.table, c.dc, int32(0)
	if seen {
		clear(b[:])
	}
	for k := 0; k < 64; {
		if n < 32 {
			if at+8 > len(coded) {
				return false, false
			}
			next |= binary.BigEndian.Uint64(coded[at:]) >> (n & 63)
			at += int((63 - n) >> 3)
			n |= 56
		}
		e := table[next>>(64-tableBits)]
		value := e >> entryValue
		if e == 0 {
			if e = t.long(int32(next >> 48)); e == 0 {
				return false, false
			}
		}
		length := uint(e & entryLength)
		next <<= length
		n -= length
		if e&entryWhole == 0 {
			size := uint(e>>entrySize) & 15
			value = extend(next>>(64-size), size)
			next <<= size
			n -= size
		}
		if k == 0 {
			*dc += value
			b[0] = *dc * q[0]
			table, t, seen, k = &c.ac.table, c.ac, seen && detail, 1
			continue
		}
		if k += int(e>>entrySkip) & 127; k > 63 {
			if k < toEnd { // a run leads beyond the block
				return false, false
			}
			break
		}
		if seen {
			b[order[k]] = value * q[k]
			any |= value
		}
		k++
	}
	r.at, r.next, r.n = at, next, n
	return any == 0, true
}
