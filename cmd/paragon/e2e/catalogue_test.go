package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// ownProfiles writes profiles of one's own: the catalogue own, with two models that classify
// texts, one that embeds them and one that takes tensors; and the catalogue numbers, with the last
// alone. It returns the folder.
func ownProfiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	shared, err := fs.Glob(profiles.Embedded(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	sentences, err := tokenizer.Attach(ofWords("LpNormalization", 48, 64), wordTokenizer(t))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"own/words.onnx": enginetest.Words(), "own/sentences.onnx": sentences, "own/numbers.onnx": enginetest.Affine(2, 1, -1, 4)}
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
	like := c.Models[i]
	like.Input = nil
	model := func(name, task, network string, text *profile.Text, s profile.Signature) profile.Model {
		sum := sha256.Sum256(files["own/"+network])
		m := like
		m.Name, m.Task, m.File, m.SHA256, m.Text, m.Signature = name, task, network, hex.EncodeToString(sum[:]), text, &s
		return m
	}
	row := func(name string, n int64) []tensors.Spec {
		return []tensors.Spec{{Name: name, Datatype: tensors.FP32, Shape: []int64{-1, n}}}
	}
	texts := []tensors.Spec{profile.TextSpec()}
	classified := profile.Signature{Inputs: texts, Outputs: row("probabilities", 2), Answer: "probabilities"}
	c.Name, c.Tasks = "own", []profile.Task{{Name: "words", Labels: labels[:]}, {Name: "sentences", Kind: profile.Embed}, {Name: "numbers", Kind: profile.Tensors}}
	c.Models = []profile.Model{
		model("plain", "words", "words.onnx", &profile.Text{}, classified), model("careful", "words", "words.onnx", &profile.Text{}, classified),
		model("vectors", "sentences", "sentences.onnx", &profile.Text{}, profile.Signature{Inputs: texts, Outputs: row("y", 64), Answer: "y"}),
		model("affine", "numbers", "numbers.onnx", nil, profile.Signature{Inputs: row("x", 4), Outputs: row("y", 4)}),
	}
	if files["own/catalogue.json"], err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	c.Name, c.Tasks, c.Models = "numbers", c.Tasks[2:], c.Models[3:]
	if files["numbers/catalogue.json"], err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	files["numbers/numbers.onnx"] = files["own/numbers.onnx"]
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

// Everything around a stage works with another catalogue, whose models take texts and tensors: the
// measurement of its models, the demonstration of `make run`, the load generator, the demonstration
// of an hour and the calibration.
func TestEverythingWorksWithAnotherCatalogue(t *testing.T) {
	dir := ownProfiles(t)
	own := []string{"--profiles", dir, "--catalogue", "own"}
	with := func(args ...string) []string { return append(args, own...) }

	var measured struct {
		Models []struct {
			Name    string
			Latency []profile.Latency
		}
	}
	if err := json.Unmarshal([]byte(printed(t, "paragon", with("profile", "--json", "--samples", "200", "--budget", "1ms", "--cold", "1")...)), &measured); err != nil || len(measured.Models) != 4 {
		t.Errorf("measured %+v, error %v", measured, err)
	}
	for _, m := range measured.Models {
		if len(m.Latency) == 0 || m.Latency[0].MS.P50 <= 0 {
			t.Errorf("%s is measured as %+v", m.Name, m.Latency)
		}
	}

	data := t.TempDir()
	s := up(t, data, with("--demo")...)
	s.until("the first input is answered", func() bool { return strings.Contains(s.log.String(), "A first input of task words") })
	for _, task := range []string{"words", "sentences", "numbers"} {
		var load struct {
			All struct{ Sent, Answered, Failed int }
		}
		if err := json.Unmarshal([]byte(printed(t, "paragon-lab", "load", "--task", task, "--rate", "20", "--for", "2s", "--strict-share", "0", "--json", "--endpoint", s.URL)), &load); err != nil || load.All.Answered < 10 || load.All.Answered != load.All.Sent {
			t.Errorf("a load of task %s: %+v, error %v", task, load, err)
		}
	}
	models, err := s.Models(t.Context())
	if err != nil || len(models) != 4 || models[0].Takes != profile.TextIn {
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
	calibrates(t, data, with(append([]string{"calibrate", "--data", data}, short...)...))
}

// calibrates wants a calibration of three runs on the catalogue own, printed and stored. The
// command fails only where the simulation is too far off to be quoted, as after so short a load it
// may be, and says so.
func calibrates(t *testing.T, data string, args []string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), built(t, "paragon-lab"), args...)
	var complaint strings.Builder
	c.Stderr = &complaint
	out, failure := c.Output()
	exit, failed := errors.AsType[*exec.ExitError](failure)
	if failed != (failure != nil) || failed && (exit.ExitCode() != 1 || !strings.Contains(complaint.String(), "no savings are quoted: on 3 traces")) {
		t.Fatalf("%v: %s%s", failure, out, &complaint)
	}
	var runs []struct {
		Trace  string
		Report struct{ Queries, Failed int }
	}
	if err := json.Unmarshal(out, &runs); err != nil || len(runs) != 3 {
		t.Fatalf("%d runs, error %v: %s", len(runs), err, out)
	}
	kept, err := filepath.Glob(filepath.Join(data, "*calibration*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("calibrations stored: %v, error %v", kept, err)
	}
	var stored calibration.Report
	raw, err := os.ReadFile(kept[0])
	if err == nil {
		err = json.Unmarshal(raw, &stored)
	}
	if err != nil || stored.Catalogue != "own" || len(stored.Runs) != len(runs) {
		t.Fatalf("stored is %+v, error %v", stored, err)
	}
	for i, r := range runs {
		if r.Report.Queries == 0 || r.Report.Failed != 0 || stored.Runs[i].Trace != r.Trace || stored.Runs[i].CostUSD <= 0 || stored.Runs[i].WorkersMean <= 0 {
			t.Errorf("run %d: printed %+v, stored %+v", i, r, stored.Runs[i])
		}
	}
}

// The page of a stage whose tasks take texts and tensors works in a browser, without an error in
// its console: texts are classified and embedded, and tasks of tensors, which the form cannot
// ask, are not offered in it. With no other task there is no form.
func TestThePageShowsEveryKindOfTask(t *testing.T) {
	dir := ownProfiles(t)
	for catalogue, offered := range map[string][]string{"own": {"words", "sentences"}, "numbers": nil} {
		s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced", "--profiles", dir, "--catalogue", catalogue)
		s.until("a worker is ready", func() bool { return s.pool().Ready == 1 })
		inputs := map[string]string{"numbers": `"tensors":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]`}
		if offered != nil {
			inputs["words"], inputs["sentences"] = `"text":"no"`, `"text":"no"`
		}
		for task, input := range inputs {
			if status, body := s.postQuery(`{"task":"` + task + `","input":{` + input + `}}`); status != http.StatusAccepted {
				t.Errorf("a query of task %s: %d %s", task, status, body)
			}
		}
		c := exec.CommandContext(t.Context(), "node", append([]string{"testdata/page.mjs", s.URL}, offered...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the page with the catalogue %s: %v:\n%s", catalogue, err, out)
		}
		s.stop()
	}
}
