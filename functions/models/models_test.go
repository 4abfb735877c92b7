package models

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

func open(t *testing.T, env map[string]string) *Source {
	t.Helper()
	s, err := Open(t.Context(), func(key string) string { return env[key] }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNetworksOfThePackageAndOfAFolder(t *testing.T) {
	if onnx, err := open(t, nil).ONNX("mlp"); err != nil || len(onnx) == 0 {
		t.Errorf("of the package: %d bytes, error %v", len(onnx), err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, profiles.Embedded()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fashion", "mlp.onnx"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, map[string]string{"PARAGON_PROFILES": dir})
	if onnx, err := s.ONNX("cnn"); err != nil || len(onnx) == 0 {
		t.Errorf("of a folder: %d bytes, error %v", len(onnx), err)
	}
	for model, says := range map[string]string{"mlp": "SHA-256", "none": `"none"`} {
		if _, err := s.ONNX(model); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", model, err)
		}
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"PARAGON_CATALOGUE": {"PARAGON_CATALOGUE": "none"},
		"PARAGON_PROFILES":  {"PARAGON_PROFILES": "s3://Bucket/prefix"},
	} {
		if _, err := Open(t.Context(), func(key string) string { return env[key] }, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// bucketOf is a source whose profiles lie in a bucket: of mlp it has another
// network than the package.
func bucketOf(t *testing.T, get fetch, now func() time.Time) *Source {
	s := open(t, nil)
	c := *s.Current()
	c.Models = append([]profile.Model{}, c.Models...)
	for i := range c.Models {
		if c.Models[i].Name == "mlp" {
			c.Models[i].SHA256 = strings.Repeat("a", 64)
		}
	}
	store, err := modelstore.Open("", &c)
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.base, s.fetch, s.now = store, &c, get, now
	return s
}

func TestOnlyWhatThePackageLacksIsFetched(t *testing.T) {
	var asked []string
	s := bucketOf(t, func(name, digest string) ([]byte, error) {
		asked = append(asked, name+" "+digest)
		return []byte("fetched"), nil
	}, time.Now)
	if onnx, err := s.ONNX("cnn"); err != nil || len(onnx) < 100 || len(asked) != 0 {
		t.Errorf("a network of the package: %d bytes, error %v, asked for %q", len(onnx), err, asked)
	}
	if onnx, err := s.ONNX("mlp"); err != nil || string(onnx) != "fetched" || asked[0] != "fashion/mlp.onnx "+strings.Repeat("a", 64) {
		t.Errorf("another network: %q, error %v, asked for %q", onnx, err, asked)
	}
}

// A network that is refused is asked for once a minute, however many queries
// want it, and a repair takes hold then.
func TestARefusalStandsForAMinute(t *testing.T) {
	now, asked, fault := time.Unix(0, 0), 0, errors.New("another digest")
	s := bucketOf(t, func(string, string) ([]byte, error) { asked++; return []byte("fetched"), fault }, func() time.Time { return now })
	for range 3 {
		if _, err := s.ONNX("mlp"); !errors.Is(err, fault) || !strings.Contains(err.Error(), `model "mlp"`) {
			t.Errorf("error %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	fault, now = nil, now.Add(again)
	if onnx, err := s.ONNX("mlp"); err != nil || string(onnx) != "fetched" {
		t.Errorf("once repaired: %q, error %v", onnx, err)
	}
}
