package profile

import (
	"math"
	"strings"
	"testing"
)

func TestInputsNameTheFieldThatCannotBeUsed(t *testing.T) {
	nan := float32(math.NaN())
	for want, s := range map[string]Input{
		"width is 0, not within 1 to 4096":                                                {Height: 1, Channels: 1},
		"height is 4097, not within 1 to 4096":                                            {Width: 1, Height: 4097, Channels: 1},
		"channels is 4, neither 1 (gray) nor 3 (color)":                                   {Width: 1, Height: 1, Channels: 4},
		`layout is "hwc", neither "nchw" nor "nhwc"`:                                      {Width: 1, Height: 1, Channels: 1, Layout: "hwc"},
		`resize is "fit", none of "exact", "cover" and "shorter-side"`:                    {Width: 1, Height: 1, Channels: 1, Resize: "fit"},
		"shorter_side_px is 223, not within 224 (the larger of width and height) to 8192": {Width: 100, Height: 224, Channels: 3, Resize: ShorterSide, ShorterSidePX: 223},
		"shorter_side_px is 8193, not within 1":                                           {Width: 1, Height: 1, Channels: 3, Resize: ShorterSide, ShorterSidePX: 8193},
		`shorter_side_px is 256, and needs resize "shorter-side"`:                         {Width: 1, Height: 1, Channels: 3, Resize: Cover, ShorterSidePX: 256},
		`channel_order is "gbr", neither "rgb" nor "bgr"`:                                 {Width: 1, Height: 1, Channels: 3, ChannelOrder: "gbr"},
		`channel_order is "bgr", and needs 3 channels`:                                    {Width: 1, Height: 1, Channels: 1, ChannelOrder: BGR},
		"scale is -1, not a positive number":                                              {Width: 1, Height: 1, Channels: 1, Scale: -1},
		"mean has 1 numbers, not one for each of 3":                                       {Width: 1, Height: 1, Channels: 3, Mean: []float32{1}},
		"mean[0] is NaN, and must be a finite number":                                     {Width: 1, Height: 1, Channels: 1, Mean: []float32{nan}},
		"std[1] is 0, and must be a finite number":                                        {Width: 1, Height: 1, Channels: 3, Std: []float32{1, 0, 1}},
	} {
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
}
