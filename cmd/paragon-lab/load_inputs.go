package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// maxLoadInputs bounds the inputs that a load keeps in memory, encoded.
const maxLoadInputs = 200

// inputFiles are the files of a folder that are taken for inputs, by what a task takes.
var inputFiles = map[profile.InputKind][]string{
	profile.Picture: {".png", ".jpg", ".jpeg", ".f32"}, profile.TextIn: {".txt"}, profile.TensorsIn: {".json"},
}

// bodies are the requests of a load, encoded once: one a class and input.
type bodies struct{ strict, relaxed [][]byte }

func (b bodies) inputs() int { return len(b.strict) }

func (b bodies) of(s load.Shot) []byte {
	if s.Class == query.Strict {
		return b.strict[s.Input]
	}
	return b.relaxed[s.Input]
}

// loadBodies reads the inputs and makes the requests, for models that take what one does.
func loadBodies(f *loadFlags, like *api.Model) (bodies, error) {
	inputs, err := loadInputs(f.files, like)
	if err != nil {
		return bodies{}, err
	}
	var b bodies
	for _, in := range inputs {
		s := client.Submission{Task: f.task, Model: f.model, Input: in, Optimize: f.optimize}
		s.Constraints.Accuracy = f.accuracy
		s.Class, s.Constraints.LatencyMS = query.Strict, f.latencyMS
		strict, err := json.Marshal(s)
		if err != nil {
			return bodies{}, fmt.Errorf("encode a query: %w", err)
		}
		s.Class, s.Constraints.LatencyMS = query.Relaxed, f.relaxedMS
		relaxed, err := json.Marshal(s)
		if err != nil {
			return bodies{}, fmt.Errorf("encode a query: %w", err)
		}
		b.strict, b.relaxed = append(b.strict, strict), append(b.relaxed, relaxed)
	}
	return b, nil
}

// pictures is what loads of the shipped catalogue are like.
var pictures = &api.Model{Takes: profile.Picture}

// loadInputs reads the inputs of a folder, in order of name. Without a folder they are the
// pictures in the binary, or one input that is made up for a model that takes no pictures.
func loadInputs(folder string, like *api.Model) ([]query.Input, error) {
	if folder == "" && like.Takes != profile.Picture {
		in, err := modelcheck.Sample(like.Takes, like.Input, like.Signature)
		return []query.Input{in}, err
	}
	files, err := samples(folder)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read the inputs in %s: %w", folder, err)
	}
	var out []query.Input
	for _, e := range entries {
		if e.IsDir() || !slices.Contains(inputFiles[like.Takes], path.Ext(e.Name())) {
			continue
		}
		in, err := inputIn(files, e.Name())
		if err != nil {
			return nil, err
		}
		if out = append(out, in); len(out) == maxLoadInputs {
			break
		}
	}
	if len(out) == 0 {
		return nil, cli.Usagef("there is no %s (%s) in %s", like.Takes, strings.Join(inputFiles[like.Takes], ", "), folder)
	}
	return out, nil
}

func samples(folder string) (fs.FS, error) {
	if folder != "" {
		return os.DirFS(folder), nil
	}
	set, err := profiles.Load("")
	if err != nil {
		return nil, fmt.Errorf("open the sample pictures: %w", err)
	}
	return set.Samples(machine.Defaults().Catalogue), nil
}

func inputIn(files fs.FS, name string) (query.Input, error) {
	f, err := files.Open(name)
	if err != nil {
		return query.Input{}, fmt.Errorf("open an input: %w", err)
	}
	defer f.Close()
	return cli.InputOf(name, f)
}
