package modelcheck

import (
	"reflect"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

func port(d tensors.Datatype, shape ...int64) engine.Port {
	return engine.Port{Name: "x", Kind: "tensor", Datatype: d, Shape: append([]int64{-1}, shape...)}
}

// What is given wins over the preset, and that over the file, which says what cannot be chosen.
func TestPreprocessed(t *testing.T) {
	mean, std := []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	preset := profile.Preprocess{Preset: profile.Imagenet}
	given := func(in profile.Input) profile.Preprocess { return profile.Preprocess{Input: in} }
	with := func(in profile.Input) profile.Preprocess {
		return profile.Preprocess{Preset: profile.Imagenet, Input: in}
	}
	for _, tc := range []struct {
		name  string
		port  engine.Port
		asked profile.Preprocess
		want  profile.Input
	}{
		{"nothing asked", port(tensors.FP32, 3, 32, 48), profile.Preprocess{}, profile.Input{Width: 48, Height: 32, Channels: 3, Layout: "nchw"}},
		{"bytes", port(tensors.Uint8, 32, 48, 1), profile.Preprocess{}, profile.Input{Width: 48, Height: 32, Channels: 1, Layout: "nhwc", Scale: 1}},
		{"any size", port(tensors.FP32, 3, -1, -1), profile.Preprocess{}, profile.Input{Width: 224, Height: 224, Channels: 3, Layout: "nchw"}},
		{"any size, one asked for", port(tensors.FP32, 3, -1, -1), given(profile.Input{Width: 96, Height: 64}), profile.Input{Width: 96, Height: 64, Channels: 3, Layout: "nchw"}},
		{"torchvision's", port(tensors.FP32, 3, 224, 224), preset,
			profile.Input{Width: 224, Height: 224, Channels: 3, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 256, Mean: mean, Std: std}},
		{"timm's, of another size", port(tensors.FP32, 3, 299, 299), preset,
			profile.Input{Width: 299, Height: 299, Channels: 3, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 341, Mean: mean, Std: std}},
		{"wide", port(tensors.FP32, 3, 240, 320), preset,
			profile.Input{Width: 320, Height: 240, Channels: 3, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 365, Mean: mean, Std: std}},
		{"the largest", port(tensors.FP32, 3, 4096, 4096), preset,
			profile.Input{Width: 4096, Height: 4096, Channels: 3, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 4681, Mean: mean, Std: std}},
		{"grey has no mean", port(tensors.FP32, 1, 224, 224), preset,
			profile.Input{Width: 224, Height: 224, Channels: 1, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 256}},
		{"bytes are normalised by the model", port(tensors.Uint8, 3, 224, 224), preset,
			profile.Input{Width: 224, Height: 224, Channels: 3, Layout: "nchw", Scale: 1, Resize: "shorter-side", ShorterSidePX: 256}},
		{"blue first", port(tensors.FP32, 3, 224, 224), with(profile.Input{ChannelOrder: "bgr", ShorterSidePX: 232}),
			profile.Input{Width: 224, Height: 224, Channels: 3, Layout: "nchw", Resize: "shorter-side", ShorterSidePX: 232, ChannelOrder: "bgr",
				Mean: []float32{0.406, 0.456, 0.485}, Std: []float32{0.225, 0.224, 0.229}}},
		{"the preset's numbers, cut out", port(tensors.FP32, 3, 224, 224), with(profile.Input{Resize: "cover", Std: []float32{1, 1, 1}}),
			profile.Input{Width: 224, Height: 224, Channels: 3, Layout: "nchw", Resize: "cover", Mean: mean, Std: []float32{1, 1, 1}}},
		{"Caffe's", port(tensors.FP32, 3, 227, 227), given(profile.Input{Channels: 3, Layout: "nchw", Scale: 1, Mean: []float32{104, 117, 123}, ChannelOrder: "bgr"}),
			profile.Input{Width: 227, Height: 227, Channels: 3, Layout: "nchw", Scale: 1, Mean: []float32{104, 117, 123}, ChannelOrder: "bgr"}},
	} {
		file, why := pictureOf([]engine.Port{tc.port})
		if file == nil {
			t.Fatalf("%s: %s", tc.name, why)
		}
		got, err := preprocessed(*file, tc.port, tc.asked)
		if err != nil || !reflect.DeepEqual(*got, tc.want) {
			t.Errorf("%s: %+v, error %v, want %+v", tc.name, got, err, tc.want)
		}
	}
}

// What does not fit the model, or cannot be used, is named with its bound.
func TestPreprocessingThatDoesNotFit(t *testing.T) {
	p := port(tensors.FP32, 3, 224, 224)
	for says, asked := range map[string]profile.Preprocess{
		`preset is "caffe", none of ["imagenet"]`:            {Preset: "caffe"},
		"width is 200, and the input has 224":                {Input: profile.Input{Width: 200}},
		"channels is 1, and the input has 3":                 {Input: profile.Input{Channels: 1}},
		`layout is "nhwc", and that of the input is "nchw"`:  {Input: profile.Input{Layout: "nhwc"}},
		"shorter_side_px is 200, not within 224":             {Input: profile.Input{Resize: "shorter-side", ShorterSidePX: 200}},
		"std[1] is 0":                                        {Input: profile.Input{Std: []float32{1, 0, 1}}},
		"mean has 1 numbers, not one for each of 3 channels": {Input: profile.Input{Mean: []float32{1}}},
	} {
		file, _ := pictureOf([]engine.Port{p})
		_, err := preprocessed(*file, p, asked)
		if err == nil || !strings.Contains(err.Error(), "option preprocess") || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %s", asked, err, says)
		}
	}
}

// A check prints how pictures become the input.
func TestHowPicturesAreUsedIsNoted(t *testing.T) {
	onnx := enginetest.Linear([][]float32{make([]float32, 192), make([]float32, 192)}, 3, 8, 8)
	for _, tc := range []struct {
		asked *profile.Preprocess
		says  []string
	}{
		{nil, []string{"stretched to 8 x 8 pixels", "p / 255; red, green, blue", "--preprocess imagenet"}},
		{&profile.Preprocess{Preset: profile.Imagenet}, []string{"scaled to 9 pixels", "center of 8 x 8 pixels", "(p / 255 - mean) / std, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"}},
		{&profile.Preprocess{Input: profile.Input{Scale: 1, ChannelOrder: "bgr", Resize: "cover"}}, []string{"cropped in the middle", "p * 1; blue, green, red"}},
	} {
		got, err := Run(t.Context(), onnx, Request{Preprocess: tc.asked, Once: true})
		if err != nil || got.Problem != nil {
			t.Fatal(got.Problem, err)
		}
		notes := strings.Join(got.Notes, "\n")
		for _, s := range tc.says {
			if !strings.Contains(notes, s) {
				t.Errorf("%+v: %s; want %q", tc.asked, notes, s)
			}
		}
	}
}
