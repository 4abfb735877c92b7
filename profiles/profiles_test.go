package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func embeddedSet(t testing.TB) *Set {
	t.Helper()
	s, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryNetworkHasItsDigest(t *testing.T) {
	s := embeddedSet(t)
	names, err := s.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c, err := s.Catalogue(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.Models {
			if m.File == "" {
				continue
			}
			if onnx, err := s.ONNX(m.Name); err != nil || len(onnx) == 0 {
				t.Errorf("network of %s: %d bytes, %v", m.Name, len(onnx), err)
			}
		}
	}
}

func TestSamplesAreThere(t *testing.T) {
	s := embeddedSet(t)
	if labels, err := fs.ReadFile(s.Samples("fashion"), "labels.csv"); err != nil || len(labels) == 0 {
		t.Errorf("labels.csv: %d bytes, %v", len(labels), err)
	}
	pictures, err := fs.Glob(s.Samples("fashion"), "*.png")
	if err != nil || len(pictures) < 100 {
		t.Errorf("%d pictures, %v", len(pictures), err)
	}
}

// The samples of a catalogue are its own, or a pool's pictures; another catalogue has none.
func TestSamplesAreTheCatalogues(t *testing.T) {
	dir := copyTo(t)
	for _, folder := range []string{"imagenet/testdata", "pictures"} {
		set, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := fs.ReadDir(set.Samples("imagenet"), "."); err == nil || len(entries) != 0 {
			t.Errorf("without any there are %v, error %v", entries, err)
		}
		path := filepath.Join(dir, folder)
		if err := errors.Join(os.MkdirAll(path, 0o700), os.WriteFile(filepath.Join(path, "cat.jpg"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if entries, err := fs.ReadDir(set.Samples("imagenet"), "."); err != nil || len(entries) != 1 || entries[0].Name() != "cat.jpg" {
			t.Errorf("%s: %v, error %v", folder, entries, err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// copyTo writes the embedded profiles to a folder, as an override starts.
func copyTo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, embedded); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces a text in a file of the folder.
func edit(t *testing.T, dir, file, old, new string) {
	t.Helper()
	file = filepath.Join(dir, file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		t.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(raw), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderStandsInForTheWhole(t *testing.T) {
	dir := copyTo(t)
	if err := os.RemoveAll(filepath.Join(dir, "imagenet")); err != nil {
		t.Fatal(err)
	}
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Catalogue("imagenet"); !errors.Is(err, ErrNotFound) {
		t.Errorf("imagenet, which the folder lacks: %v", err)
	}
	if _, err := s.ONNX("logistic"); err != nil {
		t.Error(err)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	const c = "fashion/catalogue.json"
	for _, tt := range []struct{ name, file, old, new, want string }{
		{"unknown field", c, `"name": "mlp"`, `"colour": 1, "name": "mlp"`, "colour"},
		{"task", c, `"task": "fashion"`, `"task": "shoes"`, `model logistic: task "shoes"`},
		{"file leads out", c, `"file": "mlp.onnx"`, `"file": "../mlp.onnx"`, "model mlp: file"},
		{"twice", c, `"name": "mlp"`, `"name": "logistic"`, "logistic: name"},
		{"accuracy disagrees", c, `"correct": 8453`, `"correct": 8454`, "model logistic: accuracy"},
		{"price set", c, `"us-east-1-2026"`, `"mars"`, `"mars" is not in prices.json`},
		{"not JSON", "prices.json", `{`, `[`, "prices.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyTo(t)
			edit(t, dir, tt.file, tt.old, tt.new)
			_, err := Load(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("error %v, which lacks %q or %q", err, tt.want, tt.file)
			}
		})
	}
}

func TestAnAlteredNetworkIsRefused(t *testing.T) {
	dir := copyTo(t)
	if err := os.WriteFile(filepath.Join(dir, "fashion/mlp.onnx"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ONNX("mlp"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("error %v", err)
	}
}

func TestALinkOutOfTheFolderIsRefused(t *testing.T) {
	dir := copyTo(t)
	outside := filepath.Join(t.TempDir(), "prices.json")
	inside := filepath.Join(dir, "prices.json")
	raw, err := os.ReadFile(inside)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(outside, raw, 0o600), os.Remove(inside), os.Symlink(outside, inside)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a link out of the folder was followed")
	}
}

func BenchmarkEmbeddedCatalogue(b *testing.B) {
	s := embeddedSet(b)
	for b.Loop() {
		if _, err := s.readCatalogue("fashion"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbeddedNetwork(b *testing.B) {
	s := embeddedSet(b)
	for b.Loop() {
		if _, err := s.ONNX("cnn-small"); err != nil {
			b.Fatal(err)
		}
	}
}
