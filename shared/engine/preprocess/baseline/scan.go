package baseline

import (
	"image"
)

// order is the place in a block of the coefficients as they come, figure A.6.
var order = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

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
		r.bits = bits{at: begin}
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
		c.factors = factors(&d.quantization[c.quantization], edge)
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
	for mcu := first; mcu < last; mcu++ {
		mx, my := mcu%across, mcu/across
		if mx == 0 {
			d.yield()
		}
		for i := range d.components {
			c := &d.components[i]
			for y := my * c.v; y < (my+1)*c.v; y++ {
				for x := mx * c.h; x < (mx+1)*c.h; x++ {
					if !c.decode(r, &dc[i], x, y) {
						return false
					}
				}
			}
		}
	}
	return true
}

// decode decodes the block in a column and a line of blocks, F.2.2, or reads over
// it where it is not seen.
func (c *component) decode(r *reader, dc *int32, x, y int) bool {
	if !r.room() {
		return false
	}
	difference, ok := c.dc.difference(r)
	if !ok {
		return false
	}
	*dc += difference
	if !image.Pt(x, y).In(c.window) {
		return c.ac.pass(r)
	}
	b, last := block{level + int64(*dc)*c.factors[0]}, 0
	if c.shrink == 8 {
		ok = c.ac.pass(r)
	} else {
		last, ok = c.ac.coefficients(r, &b, &c.factors)
	}
	edge := 8 / c.shrink
	c.restore(&b, last, c.plane.Pix[(y*c.plane.Stride+x)*edge:])
	return ok
}
