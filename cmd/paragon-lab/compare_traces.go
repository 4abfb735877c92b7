package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
)

// evaluated are the traces that the evaluation uses, with their scales.
var evaluated = []struct {
	file         string
	scale        float64
	from, length time.Duration
}{
	{file: "berkeley.csv", scale: 20}, {file: "wits.csv", scale: 0.5},
	{file: "twitter_may25.csv", scale: 1}, {file: "twitter_may25.csv", scale: 3},
	{file: "wikipedia_limbo_hourly.csv", scale: 1, length: 48 * time.Hour},
}

// adversaryLength is the part of an artificial load that counts, after the warm-up.
const adversaryLength = 40 * time.Minute

// traces are the traces that were named, or those of the folder, or made up.
func (f *compareFlags) traces(args []string) ([]one, error) {
	var out []one
	var err error
	switch {
	case len(args) > 0 && f.folder != "":
		return nil, cli.Usagef("give either files or --traces, not both")
	case f.adversaries && (len(args) > 0 || f.folder != "" || f.bills == ""):
		return nil, cli.Usagef("--adversaries needs --bills, and cannot be combined with files or --traces")
	case f.adversaries:
		for _, a := range evaluate.Adversaries() {
			tr, err := a.Trace(f.Warmup+adversaryLength, f.Seed)
			if err != nil {
				return nil, err
			}
			out = append(out, one{name: a.Name, scaling: "made up", trace: tr, from: f.Warmup, length: adversaryLength})
		}
		return out, nil
	case f.folder != "":
		for _, e := range evaluated {
			if _, err := os.Stat(filepath.Join(f.folder, e.file)); errors.Is(err, os.ErrNotExist) {
				continue // what is there is compared
			}
			if out, err = f.addFile(out, filepath.Join(f.folder, e.file), e.scale, e.from, e.length); err != nil {
				return nil, err
			}
		}
	case len(args) > 0:
		for _, arg := range args {
			file, text, scaled := strings.Cut(arg, "=")
			scale := f.Scale
			if scaled {
				if scale, err = strconv.ParseFloat(text, 64); err != nil || !(scale > 0 && scale <= 1e6) {
					return nil, cli.Usagef("%q is not a scale: it must be a number above 0 and at most 1000000", text)
				}
			}
			if out, err = f.addFile(out, file, scale, 0, 0); err != nil {
				return nil, err
			}
		}
	default:
		return f.madeUp()
	}
	if len(out) == 0 {
		return nil, cli.Usagef("%s has none of the evaluation's traces", f.folder)
	}
	return out, nil
}

func (f *compareFlags) addFile(out []one, file string, scale float64, from, length time.Duration) ([]one, error) {
	t, _, err := readTrace(file, arrivals.Source{Format: "paragon"})
	if err != nil {
		return nil, err
	}
	o := one{name: fmt.Sprintf("%s x%g", nameOf(file), scale), scaling: fmt.Sprintf("multiply %g", scale), trace: t.Scaled(scale)}
	o.from, o.length = from+f.From, length
	if f.window > 0 {
		o.length = f.window
	}
	return append(out, o), nil
}

func (f *compareFlags) madeUp() ([]one, error) {
	length := f.window
	if length == 0 {
		length = 2 * time.Hour
	}
	var out []one
	for _, name := range evaluate.Lookalikes() {
		t, err := evaluate.Lookalike(name, f.Warmup+length, f.Seed)
		if err != nil {
			return nil, err
		}
		out = append(out, one{name: name, scaling: "made up", trace: t, from: f.Warmup, length: length})
	}
	return out, nil
}
