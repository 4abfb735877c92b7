package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
)

// The embedded files are not validated by the schema at load: this test does it.
func TestEmbeddedFilesKeepTheSchema(t *testing.T) {
	if err := checkFolder(profiles.Embedded()); err != nil {
		t.Error(err)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	const c = "fashion/catalogue.json"
	for _, tt := range []struct{ name, file, old, new, want string }{
		{"unknown field", c, `"name": "mlp"`, `"colour": 1, "name": "mlp"`, "colour"},
		{"wrong type", c, `"top1_percent": `, `"top1_percent": "x", "y": `, "models/0/accuracy"},
		{"file leads out", c, `"file": "mlp.onnx"`, `"file": "../mlp.onnx"`, "models/1/file"},
		{"no price", "instances.json", `"usd_per_hour": 0.085`, `"usd_per_hour": 0`, "usd_per_hour"},
		{"no date", c, `"date": `, `"note": "", "day": `, "reference/source"},
		{"not JSON", "prices.json", `{`, `[`, "prices.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, profiles.Embedded()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, tt.file)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			broken := strings.Replace(string(raw), tt.old, tt.new, 1)
			if broken == string(raw) {
				t.Fatalf("%s does not contain %q", tt.file, tt.old)
			}
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err = Load(dir); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("error %v, which lacks %q or %q", err, tt.want, tt.file)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, profiles.Embedded()); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"", dir} {
		set, err := Load(from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.ONNX("logistic"); err != nil {
			t.Error(err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was loaded")
	}
}

func BenchmarkCheckTheEmbeddedFiles(b *testing.B) {
	for b.Loop() {
		if err := checkFolder(profiles.Embedded()); err != nil {
			b.Fatal(err)
		}
	}
}
