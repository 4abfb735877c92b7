package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/paragon-lab/demo"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// Inputs are of the kind that the models take: the files of a folder that can be such, or
// made up without one.
func TestInputsAreOfTheModelsKind(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"a.png": "\x89PNG\r\n\x1a\n", "b.txt": "dear friend", "c.json": `{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[1,7]}]}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signature := &profile.Signature{Inputs: []tensors.Spec{{Name: "X", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}}
	for takes, want := range map[profile.InputKind]string{profile.Picture: "image/png", profile.TextIn: query.TextType, profile.TensorsIn: tensors.ContentType} {
		like := &api.Model{Takes: takes, Signature: signature}
		for _, from := range []string{folder, ""} {
			in, err := loadInputs(from, like)
			if err != nil || len(in) == 0 || from != "" && len(in) != 1 || in[0].ContentType != want || len(in[0].Data) == 0 {
				t.Errorf("%s from %q: %d inputs, error %v", takes, from, len(in), err)
			}
		}
		if _, err := loadInputs(t.TempDir(), like); err == nil || !strings.Contains(err.Error(), string(takes)) {
			t.Errorf("%s of an empty folder: %v", takes, err)
		}
	}
}

// A demonstration plays a model that can be run, which it need not be given.
func TestADemonstrationFindsItsModel(t *testing.T) {
	for _, tc := range []struct{ catalogue, model, want, says string }{
		{"fashion", "", "cnn", ""}, {"fashion", "mlp", "mlp", ""}, {"fashion", "oak", "", "oak"}, {"imagenet", "", "", "imagenet"}, {"none", "", "", "none"},
	} {
		cfg := demo.Config{Catalogue: tc.catalogue, Model: tc.model}
		err := chooseModel(&cfg)
		if (err == nil) != (tc.says == "") || err == nil && cfg.Model != tc.want || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: model %q, error %v", tc, cfg.Model, err)
		}
	}
}
