package modelstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, profilestest.Shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addition is a model of a task of its own.
func addition(t *testing.T, name string) Addition {
	m, _ := profilestest.Shipped(t).Model("mlp")
	out := *m
	out.Name, out.Task, out.Input = name, "iris", nil
	spec := []tensors.Spec{{Name: "X", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}
	out.Signature = &profile.Signature{Inputs: spec, Outputs: spec, Answer: "X"}
	return Addition{Task: profile.Task{Name: "iris", Labels: []string{"a", "b"}}, Model: out, Measured: []byte("{}")}
}

func (s *Store) mustAdd(t *testing.T, name, content string) {
	t.Helper()
	d, err := s.Receive(strings.NewReader(content))
	if err == nil {
		err = s.Add(d, addition(t, name))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func parses(rfc3339 string) bool {
	_, err := time.Parse(time.RFC3339Nano, rfc3339)
	return err == nil
}

// What one process adds, retires and deletes, another that has the folder open
// reads anew; an unknown model is there once it is asked for.
func TestChangesReachOtherProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	writer, reader := open(t, dir), open(t, dir)
	writer.mustAdd(t, "forest", "first")
	if _, ok := reader.Current().Model("forest"); ok {
		t.Fatal("the reader looked without being asked")
	}
	if err := profile.Refresh(reader); err != nil {
		t.Fatal(err)
	}
	m, ok := reader.Current().Model("forest")
	if !ok || !reader.Has("forest") || reader.Has("mlp") {
		t.Fatalf("read %+v", m)
	}
	if onnx, err := reader.ONNX(m); err != nil || string(onnx) != "first" {
		t.Errorf("the file holds %q, error %v", onnx, err)
	}
	// The version is printed in the fleet view: the time at which the catalogue was written.
	if at, _, _ := strings.Cut(reader.Version(), ","); !parses(at) {
		t.Errorf("version %q begins with no time", reader.Version())
	}
	before := reader.Current()
	if err := reader.Refresh(); err != nil || reader.Current() != before {
		t.Errorf("nothing changed, and the catalogue is another; error %v", err)
	}
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	if _, err := writer.Retire("forest", at); err != nil {
		t.Fatal(err)
	}
	if err := reader.Refresh(); err != nil {
		t.Fatal(err)
	}
	if m, ok := reader.Current().Model("forest"); !ok || m.RetiredAt == "" {
		t.Errorf("retired, it is %+v", m)
	}
	if err := writer.Prune(at); err != nil || !writer.Has("forest") {
		t.Errorf("deleted before its time; error %v", err)
	}
	if err := writer.Prune(at.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || writer.Has("forest") {
		t.Errorf("after it was deleted there are %v, error %v", left, err)
	}
}

// A name is one model's while it is served; another file takes a retired one's.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.mustAdd(t, "forest", "first")
	for _, name := range []string{"forest", "mlp"} {
		d, err := s.Receive(strings.NewReader("second"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(d, addition(t, name)); !errors.Is(err, ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Retire("mlp", time.Now()); !errors.Is(err, ErrNotAdded) {
		t.Errorf("a model of the base is retired: %v", err)
	}
	if _, err := s.Retire("forest", time.Now()); err != nil {
		t.Fatal(err)
	}
	s.mustAdd(t, "forest", "second")
	m, _ := s.Current().Model("forest")
	if onnx, err := s.ONNX(m); err != nil || string(onnx) != "second" || m.RetiredAt != "" {
		t.Errorf("it holds %q, error %v", onnx, err)
	}
}

// What does not fit the catalogue leaves it, and the folder, as they were.
func TestWhatDoesNotFitChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.mustAdd(t, "forest", "first")
	before := s.Current()
	names := folder(t, dir)
	d, err := s.Receive(bytes.NewReader([]byte("second")))
	if err != nil {
		t.Fatal(err)
	}
	bad := addition(t, "other")
	bad.Model.Signature = &profile.Signature{Inputs: []tensors.Spec{{Name: "Y", Datatype: tensors.FP32}}, Outputs: bad.Model.Signature.Outputs, Answer: "X"}
	if err := s.Add(d, bad); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("another signature: %v", err)
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if s.Current() != before || !slices.Equal(folder(t, dir), names) {
		t.Errorf("the folder holds %v, it held %v", folder(t, dir), names)
	}
	// A catalogue that cannot be read is no reason to forget the last.
	if err := os.WriteFile(filepath.Join(dir, CatalogueFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(); err == nil || s.Current() != before {
		t.Errorf("a broken catalogue took effect; error %v", err)
	}
}

func folder(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// What is withheld reaches other processes, and keeps what else the folder holds.
func TestWithheldModelsAreNotOffered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	writer, reader := open(t, dir), open(t, dir)
	if err := writer.Withhold(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made for nothing")
	}
	for _, withheld := range []map[string]string{{"mlp": "it is broken", "cnn": "it is, too"}, {"mlp": "it is broken"}, {}} {
		if err := writer.Withhold(withheld); err != nil {
			t.Fatal(err)
		}
		if withheld["cnn"] != "" {
			writer.mustAdd(t, "forest", "first")
		}
		if err := reader.Refresh(); err != nil {
			t.Fatal(err)
		}
		offered := reader.Current().Offered()
		for _, name := range []string{"mlp", "cnn", "forest"} {
			if _, ok := offered.Model(name); ok != (withheld[name] == "") {
				t.Errorf("with %v withheld, %s is offered: %v", withheld, name, ok)
			}
			if _, ok := reader.Current().Model(name); !ok {
				t.Errorf("%s is not known any more", name)
			}
		}
	}
}

// A file that was damaged after it was added is no network.
func TestADamagedFileIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	s := open(t, dir)
	s.mustAdd(t, "forest", "first")
	m, _ := s.Current().Model("forest")
	if raw, err := s.ONNX(m); err != nil || string(raw) != "first" {
		t.Fatalf("%q, error %v", raw, err)
	}
	if err := os.WriteFile(filepath.Join(dir, m.File), []byte("frist"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ONNX(m); err == nil || !strings.Contains(err.Error(), `model "forest"`) || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a damaged file: %v", err)
	}
}

// A model that awaits its proof is there and not offered, until a run of that very file
// is stored; what was measured of it goes when the model does.
func TestAProofOffersAModel(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add := func(content string) string {
		t.Helper()
		d, err := s.Receive(strings.NewReader(content))
		a := addition(t, "iris")
		a.Withheld = "not yet"
		if err == nil {
			err = s.Add(d, a)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d.SHA256
	}
	offered := func() bool { _, ok := open(t, dir).Current().Offered().Model("iris"); return ok }
	digest := add("net")
	if _, ok := s.Current().Model("iris"); !ok || offered() {
		t.Fatalf("there %v, offered %v", ok, offered())
	}
	at := []profile.Latency{{Resource: "lambda-x86_64", MemoryMB: 1769, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 1, P95: 2, P99: 3},
		Source: profile.Source{Kind: "measured", File: StageFile(digest), Row: "name=iris", Column: "ms", Hardware: "x", Samples: 200, Date: "2026-11-27"}}}
	if err := s.Prove("iris", strings.Repeat("0", 64), Proof{}); !errors.Is(err, ErrNotAdded) || offered() {
		t.Errorf("a run of another file: %v, offered %v", err, offered())
	}
	if err := s.Prove("iris", digest, Proof{Why: "it failed"}); err != nil || offered() || s.Current().Withheld["iris"] != "it failed" {
		t.Errorf("a run that failed: %v, offered %v, withheld %v", err, offered(), s.Current().Withheld)
	}
	for range 2 { // the second run takes the place of the first
		if err := s.Prove("iris", digest, Proof{Latency: at, Measured: []byte("{}")}); err != nil || !offered() {
			t.Errorf("a run that passed: %v, offered %v", err, offered())
		}
	}
	base, _ := profilestest.Shipped(t).Model("mlp")
	if m, _ := s.Current().Model("iris"); len(m.Latency) > len(base.Latency)+1 {
		t.Errorf("it has %d figures", len(m.Latency))
	}
	file := filepath.Join(dir, StageFile(digest))
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if _, err := s.Retire("iris", time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(time.Unix(2e9, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was measured is left: %v", err)
	}
}
