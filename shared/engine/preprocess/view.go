package preprocess

import (
	"image"
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// view is what of a picture becomes the model's pixels, across and down.
type view struct{ across, down stretch }

// stretch is what of a line or a column becomes the model's pixels, from and to, and the
// pixels that the filter may read for them: first, and those before last. All are in
// pixels of the picture.
type stretch struct {
	from, to    float64
	first, last int
}

// viewOf is what the model sees of a picture with these bounds.
func viewOf(full image.Rectangle, s Spec) view {
	switch s.Resize {
	case profile.ShorterSide:
		w, h := scaled(full.Dx(), full.Dy(), s.ShorterSidePX)
		return view{centre(full.Min.X, full.Max.X, w, s.Width), centre(full.Min.Y, full.Max.Y, h, s.Height)}
	case profile.Cover:
		full = cover(full, s)
	}
	return view{all(full.Min.X, full.Max.X), all(full.Min.Y, full.Max.Y)}
}

// all is the stretch of the pixels from first to before last.
func all(first, last int) stretch { return stretch{float64(first), float64(last), first, last} }

// scaled is the size that a picture has once its shorter side is scaled to shorter pixels.
// The longer side is cut to whole pixels, as in torchvision
// (_compute_resized_output_size in torchvision/transforms/functional.py).
func scaled(width, height, shorter int) (w, h int) {
	if width <= height {
		return shorter, shorter * height / width
	}
	return shorter * width / height, shorter
}

// centre is the stretch of the pixels from first to before last that becomes the middle n
// pixels once all of them are scaled to size pixels. What is seen is the same as after a
// scaling of the whole picture and a crop: the filter also reads beyond the crop.
//
// A crop that cannot be in the very middle begins at the even one of the two places, as in
// torchvision, which rounds the half with Python's round
// (_center_crop_compute_crop_anchor in torchvision/transforms/v2/functional/_geometry.py).
func centre(first, last, size, n int) stretch {
	pixels := float64(last - first)
	each := pixels / float64(size) // pixels that become one
	left := math.RoundToEven(float64(size-n) / 2)
	from, to := left*pixels/float64(size), (left+float64(n))*pixels/float64(size)
	// The filter reaches as far as a pixel of the model, or a sample of chroma, is wide.
	reach := each + mostPixelsASample
	return stretch{
		from: float64(first) + from, to: float64(first) + to,
		first: first + int(max(0, math.Floor(from-reach))), last: first + int(min(pixels, math.Ceil(to+reach))),
	}
}

// mostPixelsASample is how many pixels a sample of chroma stands for at most, in a line of
// a picture that is not made smaller.
const mostPixelsASample = 4

// cover is the largest part in the middle of a picture that has the model's proportions.
func cover(full image.Rectangle, s Spec) image.Rectangle {
	w, h := full.Dx(), full.Dy()
	if w*s.Height > h*s.Width {
		w = max(h*s.Width/s.Height, 1)
	} else {
		h = max(w*s.Height/s.Width, 1)
	}
	corner := full.Min.Add(image.Pt((full.Dx()-w)/2, (full.Dy()-h)/2))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(w, h))}
}

// part holds the pixels that the filter may read.
func (v view) part() image.Rectangle {
	return image.Rect(v.across.first, v.down.first, v.across.last, v.down.last)
}

// pixels says whether each pixel of the model is one of the picture, and which is the first.
func (v view) pixels(s Spec) (image.Point, bool) {
	x, ok := v.across.pixels(s.Width)
	y, ok2 := v.down.pixels(s.Height)
	return image.Pt(x, y), ok && ok2
}

// pixels says whether n pixels of the model are as many of the picture, and which is the first.
func (st stretch) pixels(n int) (first int, ok bool) {
	first = int(st.from)
	return first, st.from == float64(first) && st.to == float64(first+n)
}

// factors are by how much a part is averaged before it is filtered.
func (v view) factors(s Spec) (fx, fy int) {
	return v.across.factor(s.Width), v.down.factor(s.Height)
}

func (st stretch) factor(n int) int { return max(int((st.to-st.from)/float64(n*spare)), 1) }

// from is the view with its places counted from a point on.
func (v view) from(p image.Point) view {
	return view{v.across.less(p.X), v.down.less(p.Y)}
}

func (st stretch) less(n int) stretch {
	return stretch{st.from - float64(n), st.to - float64(n), st.first - n, st.last - n}
}
