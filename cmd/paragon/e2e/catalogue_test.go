package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// wordsProfiles writes profiles of one's own: the catalogue words, whose two models
// classify texts. It returns the folder.
func wordsProfiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	shared, err := fs.Glob(profiles.Embedded(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"words/words.onnx": enginetest.Words()}
	for _, name := range shared {
		if files[name], err = fs.ReadFile(profiles.Embedded(), name); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := fs.ReadFile(profiles.Embedded(), "fashion/catalogue.json")
	var c profile.File
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(c.Models, func(m profile.Model) bool { return m.Name == "cnn" })
	sum := sha256.Sum256(files["words/words.onnx"])
	like := c.Models[i]
	like.Task, like.File, like.SHA256, like.Input, like.Text = "words", "words.onnx", hex.EncodeToString(sum[:]), nil, &profile.Text{}
	like.Signature = &profile.Signature{Inputs: []tensors.Spec{profile.TextSpec()}, Answer: "probabilities",
		Outputs: []tensors.Spec{{Name: "probabilities", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}}
	c.Name, c.Tasks, c.Models = "words", []profile.Task{{Name: "words", Labels: labels[:]}}, nil
	for _, name := range []string{"plain", "careful"} {
		like.Name = name
		c.Models = append(c.Models, like)
	}
	if files["words/catalogue.json"], err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// printed runs a command, which must succeed, and returns what it printed.
func printed(t *testing.T, binary string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), built(t, binary), args...)
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s%s", binary, args, err, out, &complaint)
	}
	return string(out)
}

// Everything around a stage works with another catalogue, here one of two text classifiers: the
// measurement of its models, the demonstration of `make run`, the page, the load generator,
// the demonstration of an hour and the calibration.
func TestEverythingWorksWithAnotherCatalogue(t *testing.T) {
	dir := wordsProfiles(t)
	own := []string{"--profiles", dir, "--catalogue", "words"}
	with := func(args ...string) []string { return append(args, own...) }

	var measured struct {
		Models []struct {
			Name    string
			Latency []profile.Latency
		}
	}
	if err := json.Unmarshal([]byte(printed(t, "paragon", with("profile", "--json", "--samples", "200", "--budget", "1ms", "--cold", "1")...)), &measured); err != nil || len(measured.Models) != 2 || measured.Models[0].Latency[0].MS.P50 <= 0 {
		t.Errorf("measured %+v, error %v", measured, err)
	}

	data := t.TempDir()
	s := up(t, data, with("--demo")...)
	s.until("the first input is answered", func() bool { return strings.Contains(s.log.String(), "A first input of task words") })
	if out := printed(t, "paragon-lab", "load", "--task", "words", "--rate", "20", "--for", "2s", "--json", "--endpoint", s.URL); !strings.Contains(out, `"failed":0`) && !strings.Contains(out, `"failed": 0`) {
		t.Errorf("a load: %s", out)
	}
	for path, says := range map[string]string{"/": "<html", "/samples/": "[]"} {
		if code, body := read(t, s.URL+path); code != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s of the page: %d %s", path, code, body)
		}
	}
	// What the page's form sends for a task of texts.
	if code, answer := s.postWaiting("/v1/queries", `{"task":"words","input":{"text":"yes"}}`); code != http.StatusOK || !strings.Contains(answer, `"label":"yes"`) {
		t.Errorf("the form of the page: %d %s", code, answer)
	}
	models, err := s.Models(t.Context())
	if err != nil || len(models) != 2 || models[0].Takes != profile.TextIn {
		t.Errorf("models %+v, error %v", models, err)
	}
	s.stop()
	if log := s.log.String(); strings.Contains(log, "got no answer") {
		t.Errorf("the demonstration says:\n%s", log)
	}

	short := []string{"--time-scale", "60", "--for", "3m", "--rate", "2", "--json"}
	var played struct {
		Queries, Failed int
		Others          []struct{ Scheme string }
	}
	if err := json.Unmarshal([]byte(printed(t, "paragon-lab", with(append([]string{"demo", "--service-ms", "20"}, short...)...)...)), &played); err != nil || played.Queries == 0 || played.Failed != 0 || len(played.Others) == 0 {
		t.Errorf("played %+v, error %v", played, err)
	}
	c := exec.CommandContext(t.Context(), built(t, "paragon-lab"), with(append([]string{"calibrate", "--data", data}, short...)...)...)
	out, err := c.Output() // it fails where the simulation is off, as after so short a load it may be
	if err != nil && !strings.Contains(string(out), "report") {
		t.Errorf("calibrate: %v: %s", err, out)
	}
	kept, err := filepath.Glob(filepath.Join(data, "*calibration*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("calibrations kept: %v, error %v", kept, err)
	}
	if raw, err := os.ReadFile(kept[0]); err != nil || !strings.Contains(string(raw), `"words"`) {
		t.Errorf("the calibration is %s, error %v", raw, err)
	}
}
