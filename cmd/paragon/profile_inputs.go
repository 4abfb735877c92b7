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
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/measure"
)

// subjects are the models that were named, with their networks and the pictures.
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
	pictures, kind, err := f.readPictures(set)
	if err != nil {
		return nil, err
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
		out = append(out, measure.Subject{Name: m.Name, ONNX: onnx, Input: *m.Input, Pictures: pictures, Type: kind})
	}
	if len(out) == 0 {
		return nil, cli.Usagef("catalogue %s has measurements only; it has no model files to measure", f.catalogue)
	}
	return out, nil
}

// readPictures returns the PNG pictures of a folder, or its JPEG pictures where
// it has none of them, and their content type.
func (f *profileFlags) readPictures(set *profiles.Set) (pictures [][]byte, kind string, err error) {
	files := set.Samples()
	if f.pictures != "" {
		files = os.DirFS(f.pictures)
	}
	kind = "image/png"
	names, err := fs.Glob(files, "*.png")
	if err == nil && len(names) == 0 {
		kind = "image/jpeg"
		names, err = fs.Glob(files, "*.jpg")
	}
	if err != nil || len(names) == 0 {
		return nil, "", errors.Join(cli.Usagef("folder %q has no pictures, *.png or *.jpg", f.pictures), err)
	}
	for _, name := range names[:min(len(names), 256)] {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, "", fmt.Errorf("read a picture: %w", err)
		}
		pictures = append(pictures, raw)
	}
	return pictures, kind, nil
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
