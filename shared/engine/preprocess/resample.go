package preprocess

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"sync"
)

// resample shrinks or grows a part of a picture to the target's size with a
// triangle that widens as the picture shrinks. A picture in luma and chroma, as
// JPEG has it, is resampled in these planes, each in its own resolution, and
// turned into RGB when it is small: that takes a quarter of the time of turning
// every pixel.
func resample(target *image.RGBA, picture image.Image, part image.Rectangle) {
	if p, ok := picture.(*image.YCbCr); ok {
		resampleYCbCr(target, p, part)
		return
	}
	p, ok := picture.(*image.RGBA)
	if !ok {
		p = image.NewRGBA(part)
		draw.Draw(p, part, picture, part.Min, draw.Src)
	}
	first := p.PixOffset(part.Min.X, part.Min.Y)
	across := triangles(0, float64(part.Dx()), part.Dx(), target.Rect.Dx())
	down := triangles(0, float64(part.Dy()), part.Dy(), target.Rect.Dy())
	for c := range 3 {
		plane{p.Pix[first+c:], p.Stride, 4}.resample(target.Pix[c:], target.Rect.Dx(), across, down)
	}
	for i := 3; i < len(target.Pix); i += 4 {
		target.Pix[i] = 255
	}
}

// resampleYCbCr is resample of a picture in luma and chroma.
func resampleYCbCr(target *image.RGBA, p *image.YCbCr, part image.Rectangle) {
	width, height := target.Rect.Dx(), target.Rect.Dy()
	luma := plane{p.Y[p.YOffset(part.Min.X, part.Min.Y):], p.YStride, 1}
	luma.resample(target.Pix, width,
		triangles(0, float64(part.Dx()), part.Dx(), width), triangles(0, float64(part.Dy()), part.Dy(), height))

	// A chroma pixel stands for several of luma: the part may begin within one.
	sx, sy := subsampling(p.SubsampleRatio)
	first := p.COffset(part.Min.X, part.Min.Y)
	columns, rows := chromaSpan(part.Min.X, part.Max.X, sx), chromaSpan(part.Min.Y, part.Max.Y, sy)
	across := triangles(columns.from, columns.to, columns.pixels, width)
	down := triangles(rows.from, rows.to, rows.pixels, height)
	plane{p.Cb[first:], p.CStride, 1}.resample(target.Pix[1:], width, across, down)
	plane{p.Cr[first:], p.CStride, 1}.resample(target.Pix[2:], width, across, down)
	for i := 0; i < len(target.Pix); i += 4 {
		r, g, b := color.YCbCrToRGB(target.Pix[i], target.Pix[i+1], target.Pix[i+2])
		target.Pix[i], target.Pix[i+1], target.Pix[i+2], target.Pix[i+3] = r, g, b, 255
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

// span is a stretch of a line of pixels, from the first that it touches.
type span struct {
	from, to float64
	pixels   int // that it touches
}

// chromaSpan is the stretch of chroma below a stretch of luma.
func chromaSpan(from, to, each int) span {
	first := from / each
	return span{
		from: float64(from)/float64(each) - float64(first), to: float64(to)/float64(each) - float64(first),
		pixels: (to+each-1)/each - first,
	}
}

// triangle is the part of a line that makes one target pixel.
type triangle struct {
	first   int
	weights []float32 // of the pixels from first on; their sum is 1
}

// triangles are what makes each of n target pixels of the stretch of a line from
// from to to, of which pixels are there.
func triangles(from, to float64, pixels, n int) []triangle {
	scale := (to - from) / float64(n)
	support := max(scale, 1)
	out := make([]triangle, n)
	room := make([]float32, 0, n*(2*int(math.Ceil(support))+1))
	for i := range out {
		centre := from + (float64(i)+0.5)*scale
		first := max(0, int(math.Floor(centre-support)))
		last := min(pixels, int(math.Ceil(centre+support)))
		begin, sum := len(room), float32(0)
		for j := first; j < last; j++ {
			w := float32(max(0, 1-math.Abs(float64(j)+0.5-centre)/support))
			room, sum = append(room, w), sum+w
		}
		out[i] = triangle{first, room[begin:]}
		for j := range out[i].weights {
			out[i].weights[j] /= sum
		}
	}
	return out
}

// plane is one channel of a picture: of each line, every step-th byte.
type plane struct {
	pix    []byte
	stride int
	step   int
}

// lines pools what planes are halfway.
var lines sync.Pool

// resample writes the plane's resampled pixels, of width a line, to every fourth
// byte of to.
func (p plane) resample(to []byte, width int, across, down []triangle) {
	last := down[len(down)-1]
	rows := last.first + len(last.weights)
	half, _ := lines.Get().(*[]float32)
	if half == nil || cap(*half) < rows*width {
		half = new(make([]float32, rows*width))
	}
	defer lines.Put(half)
	for y := range rows {
		p.row((*half)[y*width:(y+1)*width], p.pix[y*p.stride:], across)
	}
	sums := make([]float32, width)
	for y, t := range down {
		clear(sums)
		for i, w := range t.weights {
			line := (*half)[(t.first+i)*width:][:len(sums)]
			for x := range sums {
				sums[x] += w * line[x]
			}
		}
		line := to[4*y*width:]
		for x, v := range sums {
			line[4*x] = byte(min(v+0.5, 255))
		}
	}
}

// row resamples one line.
func (p plane) row(to []float32, line []byte, across []triangle) {
	for x := range to {
		t := &across[x]
		sum, at := float32(0), t.first*p.step
		for _, w := range t.weights {
			sum += w * float32(line[at])
			at += p.step
		}
		to[x] = sum
	}
}
