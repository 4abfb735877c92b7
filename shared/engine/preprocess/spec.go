package preprocess

import (
	"fmt"
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// Layouts of the tensor.
const (
	NCHW = "nchw" // one plane a channel; the default
	NHWC = "nhwc" // the channels of a pixel side by side
)

// Ways to bring a picture to the model's size.
const (
	Exact = "exact" // stretch; the default
	Cover = "cover" // crop the longer side evenly to the model's proportions, then scale
	// ShorterSide scales the shorter side to Spec.ShorterSidePX, keeps the proportions, and
	// crops the centre to the model's size, as Resize and CenterCrop of torchvision do.
	ShorterSide = "shorter-side"
)

// Orders of the channels of a colour picture.
const (
	RGB = "rgb" // the default
	BGR = "bgr" // as OpenCV and Caffe have it
)

// maxSide bounds a model's width and height, so that a bad profile cannot ask
// for gigabytes a query.
const maxSide = 4096

// maxShorterSide bounds Spec.ShorterSidePX.
const maxShorterSide = 2 * maxSide

// Spec says what tensor a model takes: the size and order of it, and what
// becomes of a pixel. Channel by channel a pixel p of 0..255 turns into
//
//	(p*Scale - Mean) / Std
//
// in float32, where p*Scale is rounded once: with the default scale it is
// float32(p)/255, bit for bit.
type Spec struct {
	Width    int `json:"width"`    // pixels
	Height   int `json:"height"`   // pixels
	Channels int `json:"channels"` // 1 grey, 3 colour
	// Layout is NCHW or NHWC; empty means NCHW.
	Layout string `json:"layout,omitempty"`
	// Scale is what a pixel is multiplied by; 0 means 1/255.
	Scale float64 `json:"scale,omitempty"`
	// Mean and Std are empty, or one number a channel, in the order of the channels; they
	// count after Scale.
	Mean []float32 `json:"mean,omitempty"`
	Std  []float32 `json:"std,omitempty"`
	// Resize is Exact, Cover or ShorterSide; empty means Exact.
	Resize string `json:"resize,omitempty"`
	// ShorterSidePX is the length of the shorter side before the crop, in pixels; it is set
	// with ShorterSide alone, and at least Width and Height.
	ShorterSidePX int `json:"shorter_side_px,omitempty"`
	// ChannelOrder is RGB or BGR; empty means RGB.
	ChannelOrder string `json:"channel_order,omitempty"`
}

// Validate names the first field that cannot be used, and its bounds.
func (s Spec) Validate() error {
	switch {
	case s.Width < 1 || s.Width > maxSide:
		return fmt.Errorf("width is %d, not within 1 to %d", s.Width, maxSide)
	case s.Height < 1 || s.Height > maxSide:
		return fmt.Errorf("height is %d, not within 1 to %d", s.Height, maxSide)
	case s.Channels != 1 && s.Channels != 3:
		return fmt.Errorf("channels is %d, neither 1 (grey) nor 3 (colour)", s.Channels)
	case s.Layout != "" && s.Layout != NCHW && s.Layout != NHWC:
		return fmt.Errorf("layout is %q, neither %q nor %q", s.Layout, NCHW, NHWC)
	case !slices.Contains([]string{"", Exact, Cover, ShorterSide}, s.Resize):
		return fmt.Errorf("resize is %q, none of %q, %q and %q", s.Resize, Exact, Cover, ShorterSide)
	case s.Resize != ShorterSide && s.ShorterSidePX != 0:
		return fmt.Errorf("shorter_side_px is %d, and needs resize %q", s.ShorterSidePX, ShorterSide)
	case s.Resize == ShorterSide && (s.ShorterSidePX < max(s.Width, s.Height) || s.ShorterSidePX > maxShorterSide):
		return fmt.Errorf("shorter_side_px is %d, not within %d (the larger of width and height) to %d", s.ShorterSidePX, max(s.Width, s.Height), maxShorterSide)
	case !slices.Contains([]string{"", RGB, BGR}, s.ChannelOrder):
		return fmt.Errorf("channel_order is %q, neither %q nor %q", s.ChannelOrder, RGB, BGR)
	case s.ChannelOrder == BGR && s.Channels != 3:
		return fmt.Errorf("channel_order is %q, and needs 3 channels", BGR)
	case s.Scale < 0 || math.IsNaN(s.Scale) || math.IsInf(s.Scale, 0):
		return fmt.Errorf("scale is %v, not a positive number", s.Scale)
	}
	if err := s.checkPerChannel("mean", s.Mean, false); err != nil {
		return err
	}
	return s.checkPerChannel("std", s.Std, true)
}

func (s Spec) checkPerChannel(field string, values []float32, divides bool) error {
	if len(values) != 0 && len(values) != s.Channels {
		return fmt.Errorf("%s has %d numbers, not one for each of %d channels", field, len(values), s.Channels)
	}
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) || (divides && v <= 0) {
			return fmt.Errorf("%s[%d] is %v, which cannot be used", field, i, v)
		}
	}
	return nil
}

// Shape is the shape of the tensor for one picture.
func (s Spec) Shape() []int64 {
	c, h, w := int64(s.Channels), int64(s.Height), int64(s.Width)
	if s.Layout == NHWC {
		return []int64{1, h, w, c}
	}
	return []int64{1, c, h, w}
}

// elements is the number of elements of that tensor.
func (s Spec) elements() int { return s.Channels * s.Height * s.Width }

// table gives the element that each pixel value of a channel turns into.
func (s Spec) table(channel int) *[256]float32 {
	scale := s.Scale
	if scale == 0 {
		scale = 1.0 / 255
	}
	mean, std := float32(0), float32(1)
	if len(s.Mean) > 0 {
		mean = s.Mean[channel]
	}
	if len(s.Std) > 0 {
		std = s.Std[channel]
	}
	var t [256]float32
	for p := range t {
		// In float64 the product is so near that it rounds to the very float32
		// that the division gives.
		t[p] = (float32(float64(p)*scale) - mean) / std
	}
	return &t
}

// newTensor is the tensor for one picture, filled with zeros.
func (s Spec) newTensor() tensor.Tensor {
	return tensor.Tensor{Shape: s.Shape(), Data: make([]float32, s.elements())}
}
