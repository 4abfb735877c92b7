package profile

import (
	"fmt"
	"math"
	"slices"
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
	// ShorterSide scales the shorter side to Input.ShorterSidePX, keeps the proportions, and
	// crops the center to the model's size, as Resize and CenterCrop of torchvision do.
	ShorterSide = "shorter-side"
)

// Orders of the channels of a color picture.
const (
	RGB = "rgb" // the default
	BGR = "bgr" // as OpenCV and Caffe have it
)

// MaxSide bounds a model's width and height, so that a bad profile cannot ask
// for gigabytes a query.
const MaxSide = 4096

// MaxShorterSide bounds Input.ShorterSidePX.
const MaxShorterSide = 2 * MaxSide

// Input says how a picture becomes the model's input tensor. It belongs to the model, as
// another preprocessing is another accuracy.
type Input struct {
	Width    int `json:"width,omitempty"`    // pixels
	Height   int `json:"height,omitempty"`   // pixels
	Channels int `json:"channels,omitempty"` // 1 gray, 3 color
	// Layout is NCHW or NHWC; empty means NCHW.
	Layout string `json:"layout,omitempty"`
	// Scale is what an 8-bit pixel is multiplied by; 0 means 1/255.
	Scale float64 `json:"scale,omitempty"`
	// Mean and Std are empty, or one number a channel, in the order of the channels; they
	// count after Scale. Empty means 0 and 1.
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
func (in Input) Validate() error {
	switch {
	case in.Width < 1 || in.Width > MaxSide:
		return fmt.Errorf("width is %d, not within 1 to %d", in.Width, MaxSide)
	case in.Height < 1 || in.Height > MaxSide:
		return fmt.Errorf("height is %d, not within 1 to %d", in.Height, MaxSide)
	case in.Channels != 1 && in.Channels != 3:
		return fmt.Errorf("channels is %d, neither 1 (gray) nor 3 (color)", in.Channels)
	case in.Layout != "" && in.Layout != NCHW && in.Layout != NHWC:
		return fmt.Errorf("layout is %q, neither %q nor %q", in.Layout, NCHW, NHWC)
	case !slices.Contains([]string{"", Exact, Cover, ShorterSide}, in.Resize):
		return fmt.Errorf("resize is %q, none of %q, %q and %q", in.Resize, Exact, Cover, ShorterSide)
	case in.Resize != ShorterSide && in.ShorterSidePX != 0:
		return fmt.Errorf("shorter_side_px is %d, and needs resize %q", in.ShorterSidePX, ShorterSide)
	case in.Resize == ShorterSide && (in.ShorterSidePX < max(in.Width, in.Height) || in.ShorterSidePX > MaxShorterSide):
		return fmt.Errorf("shorter_side_px is %d, not within %d (the larger of width and height) to %d", in.ShorterSidePX, max(in.Width, in.Height), MaxShorterSide)
	case !slices.Contains([]string{"", RGB, BGR}, in.ChannelOrder):
		return fmt.Errorf("channel_order is %q, neither %q nor %q", in.ChannelOrder, RGB, BGR)
	case in.ChannelOrder == BGR && in.Channels != 3:
		return fmt.Errorf("channel_order is %q, and needs 3 channels", BGR)
	case in.Scale < 0 || math.IsNaN(in.Scale) || math.IsInf(in.Scale, 0):
		return fmt.Errorf("scale is %v, not a positive number", in.Scale)
	}
	if err := in.checkPerChannel("mean", in.Mean, false); err != nil {
		return err
	}
	return in.checkPerChannel("std", in.Std, true)
}

func (in Input) checkPerChannel(field string, values []float32, divides bool) error {
	if len(values) != 0 && len(values) != in.Channels {
		return fmt.Errorf("%s has %d numbers, not one for each of %d channels", field, len(values), in.Channels)
	}
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) || (divides && v <= 0) {
			return fmt.Errorf("%s[%d] is %v, and must be a finite number (above 0 in std)", field, i, v)
		}
	}
	return nil
}
