package peers

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// Kind is what a query's input is.
type Kind string

// The kinds of input.
const (
	Tensor Kind = "tensor" // raw float32, little-endian
	JPEG   Kind = "jpeg"
	PNG    Kind = "png"
)

// ContentType is the kind's media type.
func (k Kind) ContentType() string {
	if k == Tensor {
		return "application/octet-stream"
	}
	return "image/" + string(k)
}

// glob finds the pictures that a kind's inputs are made from.
func (k Kind) glob(folder fs.FS) ([]string, error) {
	pattern := map[Kind][]string{JPEG: {"*.jpg"}, PNG: {"*.png"}, Tensor: {"*.jpg", "*.png"}}[k]
	for _, p := range pattern {
		if names, err := fs.Glob(folder, p); err != nil || len(names) > 0 {
			return names, err
		}
	}
	return nil, nil
}

// maxInputs are drawn from a folder of pictures.
const maxInputs = 16

// How far a score may lie from the bare loop's: the same floats give the same
// scores, while JPEG decoders and the ways to make a picture smaller differ.
const (
	sameScore  = 1e-3
	nearlySame = 0.25
)

// Workload is a network with the inputs that it is asked with.
type Workload struct {
	Model     *profile.Model
	Labels    []string
	Kind      Kind
	Profiles  string // folder of its profiles; empty means those that are embedded
	Catalogue string
	Instance  string // type whose vCPUs are this machine's cores
	ONNX      string // path of the network
	Inputs    [][]byte

	want []Answer // of the bare loop
}

// String names the workload.
func (w *Workload) String() string { return w.Model.Name + ":" + string(w.Kind) }

// Source is where a workload comes from.
type Source struct {
	Model     string // of the catalogue, or "largest" or "smallest": by service time
	Kind      Kind
	Profiles  string // folder; empty means the embedded profiles
	Catalogue string
	Pictures  string // folder of pictures; empty means the samples that are embedded
}

// Load reads a workload. Its network is written into scratch, where servers
// that are no part of Paragon find it. cores is how many runners there will be.
func (s Source) Load(scratch string, cores int) (*Workload, error) {
	if !slices.Contains([]Kind{Tensor, JPEG, PNG}, s.Kind) {
		return nil, fmt.Errorf("models: the input of %s is %q, neither tensor, jpeg nor png", s.Model, s.Kind)
	}
	set, err := schema.Load(s.Profiles)
	if err != nil {
		return nil, err
	}
	c, err := set.Catalogue(s.Catalogue)
	if err != nil {
		return nil, err
	}
	w := &Workload{Kind: s.Kind, Profiles: s.Profiles, Catalogue: s.Catalogue}
	if w.Model, err = s.find(c); err != nil {
		return nil, err
	}
	if in := w.Model.Input; in.Layout == profile.NHWC || in.ChannelOrder == profile.BGR || in.Scale != 0 || len(in.Mean)+len(in.Std) > 0 {
		return nil, fmt.Errorf("model %s: only networks that take pixels within 0 to 1, a plane a channel, the first of red or gray, can be compared", w.Model.Name)
	}
	w.Labels = c.LabelsOf(w.Model)
	if w.Instance, err = instance(c, cores); err != nil {
		return nil, err
	}
	if err := w.writeNetwork(set, scratch); err != nil {
		return nil, err
	}
	return w, w.readInputs(set, s.Pictures)
}

// find returns the model that is meant.
func (s Source) find(c *profile.Catalogue) (*profile.Model, error) {
	by := map[string]func(a, b float64) bool{
		"largest":  func(a, b float64) bool { return a > b },
		"smallest": func(a, b float64) bool { return a < b },
	}[s.Model]
	var found *profile.Model
	for i := range c.Models {
		m := &c.Models[i]
		if m.File == "" {
			continue
		}
		if m.Name == s.Model || by != nil && (found == nil || by(m.Latency[0].MS.P50, found.Latency[0].MS.P50)) {
			found = m
		}
	}
	if found == nil {
		return nil, fmt.Errorf("models: catalogue %s has no network of a model %q", c.Name, s.Model)
	}
	return found, nil
}

// instance returns the first type of a catalogue with that many vCPUs, a c5 if
// there is one.
func instance(c *profile.Catalogue, vcpus int) (string, error) {
	found := ""
	for _, in := range c.Instances {
		if in.VCPUs == vcpus && (found == "" || found[:3] != "c5." && in.Type[:3] == "c5.") {
			found = in.Type
		}
	}
	if found == "" {
		return "", fmt.Errorf("catalogue %s has no instance type with %d vCPUs, as many as this machine has cores", c.Name, vcpus)
	}
	return found, nil
}

func (w *Workload) writeNetwork(set *profiles.Set, scratch string) error {
	onnx, err := set.NetworkOf(w.Catalogue, w.Model)
	if err != nil {
		return err
	}
	w.ONNX = filepath.Join(scratch, w.Model.File)
	if err := os.WriteFile(w.ONNX, onnx, 0o600); err != nil {
		return fmt.Errorf("write the network for the servers: %w", err)
	}
	return nil
}

// readInputs reads pictures, and makes tensors of them where those are asked for.
func (w *Workload) readInputs(set *profiles.Set, folder string) error {
	files := set.Samples(w.Catalogue)
	if folder != "" {
		files = os.DirFS(folder)
	}
	names, err := w.Kind.glob(files)
	if err != nil {
		return fmt.Errorf("find pictures: %w", err)
	}
	for _, name := range names[:min(len(names), maxInputs)] {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read a picture: %w", err)
		}
		if w.Kind == Tensor {
			kind := map[string]string{".jpg": "image/jpeg", ".png": "image/png"}[filepath.Ext(name)]
			t, err := preprocess.Decode(kind, raw, preprocess.Spec(*w.Model.Input), preprocess.Limits{})
			if err != nil {
				return fmt.Errorf("make a tensor of %s: %w", name, err)
			}
			raw = floats(t.Data)
		}
		w.Inputs = append(w.Inputs, raw)
	}
	if len(w.Inputs) == 0 {
		return fmt.Errorf("models: there are no pictures to ask %s with", w)
	}
	return nil
}

// floats are numbers as little-endian bytes.
func floats(xs []float32) []byte {
	out := make([]byte, 0, 4*len(xs))
	for _, x := range xs {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

// agree holds answers to the bare loop's: a score of the best class that is
// nearly the same as the bare loop's of that class, which is nearly its best.
func (w *Workload) agree(got []Answer) error {
	near := sameScore
	if w.Kind == JPEG {
		near = nearlySame
	}
	for i, a := range got {
		want := w.want[i]
		if a.Index < 0 || a.Index >= len(want.Scores) {
			return fmt.Errorf("input %d of %s: class %d, and there are %d", i, w, a.Index, len(want.Scores))
		}
		bare := float64(want.Scores[a.Index])
		if math.Abs(a.Score-bare) > near || want.Score-bare > near {
			return fmt.Errorf("input %d of %s: class %d at %.4f, and the bare loop gives it %.4f, its best is class %d at %.4f",
				i, w, a.Index, a.Score, bare, want.Index, want.Score)
		}
	}
	return nil
}
