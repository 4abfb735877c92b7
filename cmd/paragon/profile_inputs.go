package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// subjects are the models that were named, with their networks and inputs.
func (f *profileFlags) subjects() ([]measure.Subject, error) {
	set, err := schema.Load(f.folder)
	if err != nil {
		return nil, err
	}
	c, err := set.Catalogue(f.catalogue)
	if err != nil {
		return nil, err
	}
	for _, name := range f.models {
		if m, ok := c.Model(name); !ok || m.File == "" {
			return nil, cli.Usagef("catalogue %s has no model file of model %q", f.catalogue, name)
		}
	}
	var out []measure.Subject
	for i := range c.Models {
		m := &c.Models[i]
		if m.File == "" || len(f.models) > 0 && !slices.Contains(f.models, m.Name) {
			continue
		}
		onnx, err := set.NetworkOf(f.catalogue, m)
		if err != nil {
			return nil, err
		}
		inputs, err := f.inputsOf(set, m, onnx)
		if err != nil {
			return nil, err
		}
		out = append(out, measure.Subject{Name: m.Name, ONNX: onnx, Picture: m.Input, Text: m.Text, Inputs: inputs})
	}
	if len(out) == 0 {
		return nil, cli.Usagef("catalogue %s has measurements only; it has no model files to measure", f.catalogue)
	}
	return out, nil
}

// mostInputs bounds the pictures that models are measured with.
const mostInputs = 256

// inputsOf returns what a model is measured with: pictures, a made-up text, or the sample in
// the model's file, else inputs of zeros.
func (f *profileFlags) inputsOf(set *profiles.Set, m *profile.Model, onnx []byte) ([]query.Input, error) {
	if m.Takes() == profile.Picture {
		return f.readPictures(set)
	}
	in, err := modelcheck.SampleOf(m, func() ([]byte, error) { return onnx, nil })
	return []query.Input{in}, err
}

// readPictures returns the PNG pictures of a folder, or its JPEG pictures where it has
// none of them. Without a folder they are those of the catalogue, else those that ship.
func (f *profileFlags) readPictures(set *profiles.Set) ([]query.Input, error) {
	if f.pictures != "" {
		out, err := picturesIn(os.DirFS(f.pictures))
		if err == nil && len(out) == 0 {
			err = cli.Usagef("folder %q has no pictures, *.png or *.jpg", f.pictures)
		}
		return out, err
	}
	out, err := picturesIn(set.Samples(f.catalogue))
	if err != nil || len(out) > 0 {
		return out, err
	}
	shipped, err := profiles.Load("")
	if err != nil {
		return nil, err
	}
	return picturesIn(shipped.Samples(machine.Defaults().Catalogue))
}

// picturesIn reads the pictures of a folder.
func picturesIn(files fs.FS) (out []query.Input, err error) {
	kind := "image/png"
	names, err := fs.Glob(files, "*.png")
	if err == nil && len(names) == 0 {
		kind = "image/jpeg"
		names, err = fs.Glob(files, "*.jpg")
	}
	if err != nil {
		return nil, fmt.Errorf("list the pictures: %w", err)
	}
	for _, name := range names[:min(len(names), mostInputs)] {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read a picture: %w", err)
		}
		out = append(out, query.Input{ContentType: kind, Data: raw})
	}
	return out, nil
}

// writeReport merges the figures into a file, whole or not at all.
func writeReport(file string, report measure.Report) error {
	old, err := measure.ReadReport(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && old.Resource() != report.Resource() {
		return cli.Usagef("%s has the measurements of %s; write those of %s to another file", file, old.Resource(), report.Resource())
	}
	raw, err := json.MarshalIndent(old.Merge(report), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the measurement file: %w", err)
	}
	next := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".next")
	if err := os.WriteFile(next, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the measurement file: %w", err)
	}
	return os.Rename(next, file)
}
