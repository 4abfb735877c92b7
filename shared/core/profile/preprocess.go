package profile

import (
	"fmt"
	"slices"
)

// Imagenet is the preset for networks trained on ImageNet with torchvision or timm: the
// shorter side of the picture is scaled to 8/7 of the input's (256 pixels for 224), the
// center is cropped, and each channel, less its mean, is divided by its deviation.
const Imagenet = "imagenet"

// Presets are the values of Preprocess.Preset.
var Presets = []string{Imagenet}

// Preprocess is what is asked of how pictures become a model's input. What is left out
// follows from the preset, and else from the model's file.
type Preprocess struct {
	Preset string `json:"preset,omitempty"`
	Input
}

// Check reports a preset that is unknown.
func (p Preprocess) Check() error {
	if p.Preset != "" && !slices.Contains(Presets, p.Preset) {
		return fmt.Errorf("preset is %.64q, none of %q", p.Preset, Presets)
	}
	return nil
}
