package modelcheck

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
)

// usualSide is the width and height of an input of any size when none is asked for, in pixels.
const usualSide = 224

// The mean and the deviation of red, green and blue of ImageNet's pictures, within 0 to 1
// (torchvision/transforms/_presets.py).
var (
	imagenetMean = []float32{0.485, 0.456, 0.406}
	imagenetStd  = []float32{0.229, 0.224, 0.225}
)

// preprocessed is how pictures become the input of a model: what its file says, in which a
// width or height of 0 means any, with what is asked.
func preprocessed(file profile.Input, p engine.Port, asked profile.Preprocess) (*profile.Input, error) {
	if err := asked.Check(); err != nil {
		return nil, badf("option preprocess", "cannot be used: %v", err)
	}
	in, given := file, asked.Input
	for _, f := range []struct {
		name         string
		file         *int
		asked, usual int
	}{
		{"width", &in.Width, given.Width, usualSide}, {"height", &in.Height, given.Height, usualSide}, {"channels", &in.Channels, given.Channels, 0},
	} {
		if *f.file != 0 && f.asked != 0 && *f.file != f.asked {
			return nil, badf("option preprocess", "does not fit the model: %s is %d, and the input has %d", f.name, f.asked, *f.file)
		}
		*f.file = cmp.Or(*f.file, f.asked, f.usual)
	}
	if given.Layout != "" && given.Layout != in.Layout {
		return nil, badf("option preprocess", "does not fit the model: layout is %q, and that of the input is %q", given.Layout, in.Layout)
	}
	if p.Datatype == tensors.Uint8 {
		in.Scale = 1
	}
	if asked.Preset == profile.Imagenet {
		given = imagenet(in, given, p.Datatype)
	}
	in.Scale, in.Mean, in.Std = cmp.Or(given.Scale, in.Scale), given.Mean, given.Std
	in.Resize, in.ShorterSidePX, in.ChannelOrder = given.Resize, given.ShorterSidePX, given.ChannelOrder
	if err := in.Validate(); err != nil {
		return nil, badf("option preprocess", "cannot be used: %v", err)
	}
	return &in, nil
}

// imagenet adds to what is given for an input what Imagenet says of the rest. The crop is
// 7/8 of the shorter side, as torchvision has it for 224 pixels and timm for any size
// (DEFAULT_CROP_PCT, rounded down in timm/data/transforms_factory.py).
func imagenet(in, given profile.Input, d tensors.Datatype) profile.Input {
	given.Resize = cmp.Or(given.Resize, profile.ShorterSide)
	if given.Resize == profile.ShorterSide {
		given.ShorterSidePX = cmp.Or(given.ShorterSidePX, max(in.Width, in.Height)*8/7)
	}
	if in.Channels != 3 || d == tensors.Uint8 {
		return given
	}
	mean, std := slices.Clone(imagenetMean), slices.Clone(imagenetStd)
	if given.ChannelOrder == profile.BGR {
		slices.Reverse(mean)
		slices.Reverse(std)
	}
	if len(given.Mean) == 0 {
		given.Mean = mean
	}
	if len(given.Std) == 0 {
		given.Std = std
	}
	return given
}

// describe says in a sentence or two how pictures become an input.
func describe(in profile.Input) string {
	size := fmt.Sprintf("%d x %d pixels", in.Width, in.Height)
	out := "A picture is stretched to " + size
	switch in.Resize {
	case profile.Cover:
		out = "A picture is cropped in the middle to the proportions of the input, and scaled to " + size
	case profile.ShorterSide:
		out = fmt.Sprintf("The shorter side of a picture is scaled to %d pixels, and the center of %s is cropped", in.ShorterSidePX, size)
	}
	value := "p / 255"
	if in.Scale != 0 {
		value = fmt.Sprintf("p * %g", in.Scale)
	}
	if len(in.Mean) > 0 {
		value = fmt.Sprintf("(%s - mean)", value)
	}
	if len(in.Std) > 0 {
		value += " / std"
	}
	out += ". A value p of 0 to 255 becomes " + value
	for _, f := range []struct {
		name   string
		values []float32
	}{{"mean", in.Mean}, {"std", in.Std}} {
		if len(f.values) > 0 {
			out += fmt.Sprintf(", %s %s", f.name, strings.Trim(fmt.Sprint(f.values), "[]"))
		}
	}
	switch {
	case in.Channels == 1:
		return out + "; gray."
	case in.ChannelOrder == profile.BGR:
		return out + "; blue, green, red."
	}
	return out + "; red, green, blue."
}
