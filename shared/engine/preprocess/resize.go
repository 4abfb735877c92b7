package preprocess

import (
	"image"
	"image/draw"
	"slices"
	"sync"

	"github.com/paragon-serving/paragon/shared/engine/preprocess/baseline"
)

// spare is the ratio of sizes that the filter is left to bridge after whole
// pixels have been averaged. At 2 the average is not seen in the result.
const spare = 2

// sized is a picture in the model's size.
type sized struct {
	*image.RGBA
	chroma bool // pixels are luma and chroma, and not red, green and blue
}

// newSized has undefined pixels.
func newSized(s Spec, chroma bool) sized {
	picture := sizedPictures.Get().(*image.RGBA)
	n := 4 * s.Width * s.Height
	picture.Pix, picture.Stride = slices.Grow(picture.Pix[:0], n)[:n], 4*s.Width
	picture.Rect = image.Rect(0, 0, s.Width, s.Height)
	return sized{picture, chroma}
}

// free gives the picture's memory back. It is not used afterwards.
func (p sized) free() { sizedPictures.Put(p.RGBA) }

var sizedPictures = sync.Pool{New: func() any { return new(image.RGBA) }}

// resize returns the picture in the model's size, with 8 bits a channel, on black. A
// picture that has the size goes through pixel by pixel.
//
// The filter is a triangle that widens as the picture shrinks, which is what
// training pipelines use. One that looks at four pixels whatever the ratio takes
// less time, but turns fine patterns of a large photograph into others that the
// model never saw.
func resize(picture image.Image, s Spec, yield func()) sized {
	v := viewOf(picture.Bounds(), s)
	part := v.part()
	if at, ok := v.pixels(s); ok {
		target := newSized(s, false)
		if g, ok := picture.(*image.Gray); ok {
			copyGray(target.RGBA, g, at)
		} else {
			draw.Draw(target, target.Rect, picture, at, draw.Src)
		}
		return target
	}
	fx, fy := v.factors(s)
	if fx > 1 || fy > 1 {
		picture, v = average(picture, part, fx, fy, yield), v.from(part.Min)
		part = picture.Bounds()
	}
	if p, ok := picture.(*image.YCbCr); ok { // a quarter of the work that all its pixels in RGB are
		sx, sy := subsampling(p.SubsampleRatio)
		at, target := p.Rect.Min, newSized(s, true)
		resample(target.RGBA, planeOf(p.Y, p.YStride, 1, 1, at, v), planeOf(p.Cb, p.CStride, sx, sy, at, v), planeOf(p.Cr, p.CStride, sx, sy, at, v))
		return target
	}
	var planes []plane
	for _, pix := range channels(picture, part) {
		planes = append(planes, planeOf(pix, part.Dx(), fx, fy, part.Min, v))
	}
	target := newSized(s, false)
	resample(target.RGBA, planes...)
	opaque(target.RGBA)
	return target
}

// copyGray copies a part of a picture: what draw.Draw does pixel by pixel in 16 bits.
func copyGray(target *image.RGBA, picture *image.Gray, at image.Point) {
	for y := range target.Rect.Dy() {
		from := picture.Pix[picture.PixOffset(at.X, at.Y+y):][:target.Rect.Dx()]
		to := target.Pix[y*target.Stride:]
		for x, v := range from {
			out := (*[4]byte)(to[4*x:])
			out[0], out[1], out[2], out[3] = v, v, v, 255
		}
	}
}

// subsampling is how many pixels of luma one of chroma stands for.
func subsampling(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// channels are red, green and blue of a part of a picture.
func channels(picture image.Image, part image.Rectangle) [3][]byte {
	p, ok := picture.(*image.RGBA)
	if !ok {
		p = image.NewRGBA(part)
		draw.Draw(p, part, picture, part.Min, draw.Src)
	}
	w, h := part.Dx(), part.Dy()
	pix := make([]byte, 3*w*h)
	for y := range h {
		line := p.Pix[p.PixOffset(part.Min.X, part.Min.Y+y):]
		for x := range w {
			at := y*w + x
			pix[at], pix[w*h+at], pix[2*w*h+at] = line[4*x], line[4*x+1], line[4*x+2]
		}
	}
	return [3][]byte{pix[:w*h], pix[w*h : 2*w*h], pix[2*w*h:]}
}

// opaque makes all pixels so.
func opaque(picture *image.RGBA) {
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
}

// mostFiltered is the largest ratio, in units of spare, that is left to the filter:
// beyond it single weights would be lost in rounding.
const mostFiltered = 16

// resizeJPEG is resize of a JPEG picture of the common kind, which is decoded only
// as far as the model sees it. It is false for others, and for those of which too
// much would be left to the filter.
func resizeJPEG(data []byte, s Spec, yield func()) (sized, bool) {
	var v view
	picture, ok := baseline.Decode(data, func(width, height int) (image.Rectangle, int) {
		v = viewOf(image.Rect(0, 0, width, height), s)
		fx, fy := v.factors(s)
		shrink := 1
		for shrink < 8 && 2*shrink <= min(fx, fy) {
			shrink *= 2
		}
		if max(fx, fy) >= mostFiltered*shrink {
			return image.Rectangle{}, 0
		}
		return v.part(), shrink
	}, yield)
	if !ok {
		return sized{}, false
	}
	defer picture.Free()
	var planes []plane
	for _, p := range picture.Planes {
		planes = append(planes, planeOf(p.Pix, p.Stride, p.PerX, p.PerY, image.Point{}, v))
	}
	target := newSized(s, len(planes) > 1)
	resample(target.RGBA, planes...)
	return target, true
}

// average shrinks part of a picture by whole factors: each pixel is the mean of fx
// times fy, or of as many as are left at the right and the bottom. It costs a fraction
// of what the filter takes on a large picture, and bounds the filter's memory on a
// long and thin one.
func average(picture image.Image, part image.Rectangle, fx, fy int, yield func()) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, (part.Dx()+fx-1)/fx, (part.Dy()+fy-1)/fy))
	strip := image.NewRGBA(image.Rect(0, 0, part.Dx(), fy))
	for y := range out.Rect.Dy() {
		rows := min(fy, part.Dy()-y*fy)
		draw.Draw(strip, image.Rect(0, 0, part.Dx(), rows), picture, part.Min.Add(image.Pt(0, y*fy)), draw.Src)
		averageRow(out.Pix[y*out.Stride:][:out.Stride], strip, rows, fx)
		yield()
	}
	return out
}

// averageRow fills a row of pixels from the first rows of strip.
func averageRow(row []byte, strip *image.RGBA, rows, fx int) {
	for x := range len(row) / 4 {
		left, right := x*fx, min((x+1)*fx, strip.Rect.Dx())
		var sum [3]uint64
		for y := range rows {
			line := strip.Pix[y*strip.Stride+4*left : y*strip.Stride+4*right]
			for i := 0; i < len(line); i += 4 {
				sum[0] += uint64(line[i])
				sum[1] += uint64(line[i+1])
				sum[2] += uint64(line[i+2])
			}
		}
		n := uint64(rows * (right - left))
		for c := range 3 {
			row[4*x+c] = byte((sum[c] + n/2) / n)
		}
		row[4*x+3] = 255
	}
}
