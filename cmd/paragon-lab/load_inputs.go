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
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// maxLoadInputs bounds the pictures that a load keeps in memory, encoded.
const maxLoadInputs = 200

// inputSuffixes are the files of a folder that are taken for inputs.
var inputSuffixes = []string{".png", ".jpg", ".jpeg", ".f32"}

// bodies are the requests of a load, encoded once: one a class and picture.
type bodies struct{ strict, relaxed [][]byte }

func (b bodies) inputs() int { return len(b.strict) }

func (b bodies) of(s load.Shot) []byte {
	if s.Class == query.Strict {
		return b.strict[s.Input]
	}
	return b.relaxed[s.Input]
}

// loadBodies reads the pictures and makes the requests.
func loadBodies(term *cli.Terminal, f *loadFlags) (bodies, error) {
	inputs, err := readPictures(term, f.files)
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

// readPictures reads the inputs of a folder, in order of name; without a folder,
// the samples in the binary.
func readPictures(term *cli.Terminal, folder string) ([]query.Input, error) {
	files, err := samples(folder)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read the pictures in %s: %w", folder, err)
	}
	var out []query.Input
	for _, e := range entries {
		if e.IsDir() || !slices.Contains(inputSuffixes, path.Ext(e.Name())) {
			continue
		}
		in, err := pictureIn(files, e.Name())
		if err != nil {
			return nil, err
		}
		if out = append(out, in); len(out) == maxLoadInputs {
			break
		}
	}
	if len(out) == 0 {
		return nil, cli.Usagef("there is no picture (%s) in %s", strings.Join(inputSuffixes, ", "), folder)
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
	return set.Samples(), nil
}

func pictureIn(files fs.FS, name string) (query.Input, error) {
	f, err := files.Open(name)
	if err != nil {
		return query.Input{}, fmt.Errorf("open a picture: %w", err)
	}
	defer f.Close()
	return cli.InputOf(name, f)
}
