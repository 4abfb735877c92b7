package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"paragon/shared/client"
	"paragon/shared/core/query"
	"paragon/shared/load"
)

// maxLoadInputs bounds the pictures that a load keeps in memory, encoded.
const maxLoadInputs = 200

// samplesFolder is where pictures are drawn from unless --files says otherwise.
const samplesFolder = "profiles/fashion/testdata"

// bodies are the requests of a load, encoded once: one a class and picture.
type bodies struct{ strict, relaxed [][]byte }

func (b bodies) inputs() int { return len(b.strict) }

func (b bodies) of(s load.Shot) []byte {
	if s.Class == query.Strict {
		return b.strict[s.Input]
	}
	return b.relaxed[s.Input]
}

// bodies reads the pictures and makes the requests.
func (a *app) bodies(f *loadFlags) (bodies, error) {
	inputs, err := a.pictures(f.files)
	if err != nil {
		return bodies{}, err
	}
	var b bodies
	for _, in := range inputs {
		s := client.Submission{Task: f.task, Model: f.model, Input: in}
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

// pictures reads the inputs of a folder, in order of name.
func (a *app) pictures(folder string) ([]query.Input, error) {
	if folder == "" {
		folder = samplesFolder
		if _, err := os.Stat(folder); err != nil {
			return nil, usagef("name a folder of pictures with --files: the samples in %s are not here", samplesFolder)
		}
	}
	entries, err := fs.ReadDir(os.DirFS(folder), ".")
	if err != nil {
		return nil, fmt.Errorf("read the pictures in %s: %w", folder, err)
	}
	var out []query.Input
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".png", ".jpg", ".jpeg", ".f32":
		default:
			continue
		}
		in, err := a.readInput(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if out = append(out, in); len(out) == maxLoadInputs {
			break
		}
	}
	if len(out) == 0 {
		return nil, usagef("there is no picture (.png, .jpg, .f32) in %s", folder)
	}
	return out, nil
}
