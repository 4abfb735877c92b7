// Package proteus plays Paragon's choice of models on the data of Proteus (Ahmad et
// al., ASPLOS 2024): a trace of Twitter's arrivals spread over nine families of models,
// the profiles of their variants on three kinds of device, a fixed cluster of forty
// devices and a deadline of 300 ms. Nothing of the data is kept here: it is read from a
// copy of the repository UMass-LIDS/Proteus, each file by its SHA-256.
package proteus

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Source is the repository at the commit that the digests are of.
const Source = "https://raw.githubusercontent.com/UMass-LIDS/Proteus/6967c9327e66f6d6fe94993dcaa7521efc2f72f5"

// files are the files that are read, with their digests.
//
//go:embed files.sha256
var files string

const (
	profiled = "profiling/aggregate_profiled.csv"
	variants = "traces/model_variants/"
	traces   = "traces/twitter/asplos/zipf_exponential/300/"
)

// most is the size of the largest file, with room.
const most = 4 << 20

// Variant is one model of a family.
type Variant struct {
	Name     string
	Accuracy float64 // percent of the family's best
	// MS is the median service time by kind of device and batch size.
	MS map[string]map[int]float64
}

// Family is models that do one task, and when their queries come.
type Family struct {
	Name     string
	Variants []Variant // most accurate first
	AtMS     []int     // arrivals, in milliseconds from the start
}

// opener opens a file of the repository.
type opener func(ctx context.Context, name string) (io.ReadCloser, error)

// from reads a folder, or below a URL.
func from(source string) opener {
	if !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://") {
		return func(_ context.Context, name string) (io.ReadCloser, error) {
			return os.Open(filepath.Join(source, filepath.FromSlash(name)))
		}
	}
	return func(ctx context.Context, name string) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(source, "/")+"/"+name, nil)
		if err != nil {
			return nil, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			res.Body.Close()
			return nil, fmt.Errorf("%s: HTTP %s", req.URL, res.Status)
		}
		return res.Body, nil
	}
}

// Read reads the families from a copy of the repository: a folder, or a URL below which
// its files are.
func Read(ctx context.Context, source string) ([]Family, error) {
	return read(ctx, from(source), files)
}

func read(ctx context.Context, open opener, digests string) ([]Family, error) {
	content := map[string][]byte{}
	for line := range strings.Lines(digests) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		raw, err := checked(ctx, open, name, digest)
		if err != nil {
			return nil, err
		}
		content[name] = raw
	}
	times, err := serviceTimes(content[profiled])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", profiled, err)
	}
	var out []Family
	for line := range strings.Lines(digests) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		family, ok := strings.CutPrefix(name, variants)
		if !ok {
			continue
		}
		f := Family{Name: family}
		if f.Variants, err = variantsOf(content[name], times); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.AtMS, err = arrivalsOf(content[traces+family+".txt"]); err != nil {
			return nil, fmt.Errorf("%s%s.txt: %w", traces, family, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func checked(ctx context.Context, open opener, name, digest string) ([]byte, error) {
	r, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read Proteus's data: %w", err)
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%s has the SHA-256 %x, not %s", name, sum, digest)
	}
	return raw, nil
}

// serviceTimes are the medians by model, kind of device and batch size.
func serviceTimes(raw []byte) (map[string]map[string]map[int]float64, error) {
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]map[int]float64{}
	for i, row := range rows[min(1, len(rows)):] {
		if len(row) < 5 {
			return nil, fmt.Errorf("line %d has %d columns, not 5 or more", i+2, len(row))
		}
		batch, err := strconv.Atoi(row[3])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		ms, err := strconv.ParseFloat(row[4], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		model, kind := row[0], strings.TrimPrefix(row[1], "onnxruntime_")
		if name, exported := strings.CutSuffix(model, ".onnx"); exported { // as Proteus's simulator names them
			model, _, _ = strings.Cut(name, "_")
		}
		if out[model] == nil {
			out[model] = map[string]map[int]float64{}
		}
		if out[model][kind] == nil {
			out[model][kind] = map[int]float64{}
		}
		out[model][kind][batch] = ms
	}
	return out, nil
}

func variantsOf(raw []byte, times map[string]map[string]map[int]float64) ([]Variant, error) {
	var out []Variant
	for line := range strings.Lines(string(raw)) {
		name, share, _ := strings.Cut(strings.TrimSpace(line), ",")
		accuracy, err := strconv.ParseFloat(share, 64)
		if err != nil {
			return nil, err
		}
		if times[name] == nil {
			return nil, fmt.Errorf("%s has no service times", name)
		}
		out = append(out, Variant{Name: name, Accuracy: accuracy, MS: times[name]})
	}
	return out, nil
}

func arrivalsOf(raw []byte) ([]int, error) {
	var out []int
	for line := range strings.Lines(string(raw)) {
		at, _, _ := strings.Cut(strings.TrimSpace(line), ",")
		ms, err := strconv.Atoi(at)
		if err != nil {
			return nil, err
		}
		out = append(out, ms)
	}
	return out, nil
}
