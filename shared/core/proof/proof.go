// Package proof holds which models could be run, by the digest of what runs: a model
// that no platform could run is not offered. It is pure.
package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Result is how a model's first run on a platform ended.
type Result struct {
	Engine string    `json:"engine"` // digest of the library that ran it
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
	// InstanceType is that of the worker which ran a model that was added, MS the CPU time
	// of an answer there, and Samples how many were timed; empty and 0 where none was.
	InstanceType string              `json:"instance_type,omitempty"`
	MS           profile.Percentiles `json:"ms,omitzero"`
	Samples      int                 `json:"samples,omitempty"`
	// Batches are the times of several queries in one run there.
	Batches []profile.BatchTime `json:"batches,omitempty"`
}

// Passed reports whether the run gave an answer.
func (r Result) Passed() bool { return r.Why == "" }

// Book is the newest result by the digest of a model and by platform, such as
// linux/arm64.
type Book map[string]map[string]Result

const (
	// keptFor is for how long a result counts: a model that is still served is run again.
	keptFor = 30 * 24 * time.Hour
	// mostWhy bounds a reason, in bytes.
	mostWhy = 500
	// repeatAfter is how long one that failed is left alone: a machine may have been short
	// of memory, or a bucket not to be reached.
	repeatAfter = 5 * time.Minute
)

// Digest names a model by its file and by all that its runs depend on; what is measured
// of it is no part.
func Digest(c *profile.Catalogue, m *profile.Model) (string, error) {
	described := *m
	described.Accuracy, described.Latency, described.MemorySource, described.MemoryMB = profile.Accuracy{}, nil, profile.Source{}, 0
	described.Labels = c.LabelsOf(m)
	raw, err := json.Marshal(described)
	if err != nil {
		return "", fmt.Errorf("describe model %s: %w", m.Name, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Due are the models of a catalogue that are to be run on a platform: those without a
// result of that engine, and those that failed a while ago.
func (b Book) Due(c *profile.Catalogue, platform, engine string, now time.Time) (due []profile.Model) {
	for _, m := range c.Models {
		if !m.Runnable() || m.RetiredAt != "" {
			continue
		}
		digest, err := Digest(c, &m)
		r, ran := b[digest][platform]
		if err == nil && (!ran || r.Engine != engine || now.Sub(r.At) > keptFor/2 || !r.Passed() && now.Sub(r.At) >= repeatAfter) {
			due = append(due, m)
		}
	}
	return due
}

// Withheld are the models of a catalogue that no platform could run, though one has
// tried: why, by name. Where nothing has tried yet, as before a stage's first worker,
// a model is offered.
func (b Book) Withheld(c *profile.Catalogue, now time.Time) map[string]string {
	var out map[string]string
	for _, m := range c.Models {
		digest, err := Digest(c, &m)
		if err != nil {
			continue
		}
		if passed, why := b.Of(digest, now); !passed && why != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[m.Name] = why
		}
	}
	return out
}

// Of says whether a platform has run the model of a digest, or why each that has tried
// could not; neither where none has.
func (b Book) Of(digest string, now time.Time) (passed bool, why string) {
	for _, platform := range slices.Sorted(maps.Keys(b[digest])) {
		r := b[digest][platform]
		if r.Passed() || now.Sub(r.At) > keptFor {
			return r.Passed(), ""
		}
		why = fmt.Sprintf("%s: %s", platform, r.Why)
	}
	return false, why
}

// By is what the book says of a model's digest, as Of does: the result of the platform that
// has timed the model, else of one that ran it, else why each that has tried could not. done
// is whether there is one.
func (b Book) By(digest string, now time.Time) (r Result, done bool) {
	passed, why := b.Of(digest, now)
	if !passed {
		return Result{Why: why}, why != ""
	}
	for _, platform := range slices.Sorted(maps.Keys(b[digest])) {
		if on := b[digest][platform]; on.Passed() && (!done || on.Samples > 0) {
			r, done = on, true
		}
	}
	return r, done
}

// With returns the book with results of a platform, by digest, and without what is
// no longer kept.
func (b Book) With(platform string, results map[string]Result, now time.Time) Book {
	out := Book{}
	put := func(digest, platform string, r Result) {
		if now.Sub(r.At) > keptFor {
			return
		}
		if out[digest] == nil {
			out[digest] = map[string]Result{}
		}
		out[digest][platform] = r
	}
	for digest, on := range b {
		for platform, r := range on {
			put(digest, platform, r)
		}
	}
	for digest, r := range results {
		r.Why = r.Why[:min(len(r.Why), mostWhy)]
		put(digest, platform, r)
	}
	return out
}
