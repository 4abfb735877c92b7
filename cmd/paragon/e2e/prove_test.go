package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// spoilt is a folder of the profiles that ship with some models changed: by a function
// of the model's file and of what the catalogue says of it.
func spoilt(t *testing.T, changes map[string]func(onnx []byte, model map[string]any) []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, profiles.Embedded()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "fashion", "catalogue.json")
	var c map[string]any
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c["models"].([]any) {
		model := m.(map[string]any)
		change := changes[model["name"].(string)]
		if change == nil {
			continue
		}
		network := filepath.Join(dir, "fashion", model["file"].(string))
		onnx, err := os.ReadFile(network)
		if err == nil {
			onnx = change(onnx, model)
			err = os.WriteFile(network, onnx, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if raw, err = json.Marshal(c); err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// signed gives a changed file its digest in the catalogue.
func signed(change func([]byte) []byte) func([]byte, map[string]any) []byte {
	return func(onnx []byte, model map[string]any) []byte {
		onnx = change(onnx)
		sum := sha256.Sum256(onnx)
		model["sha256"] = hex.EncodeToString(sum[:])
		return onnx
	}
}

// A model that cannot be run is found before it is offered, whatever is wrong with it:
// no query is given to it, who names it hears why, and the stage is ready as long as
// each task has a model that passed.
func TestModelsThatCannotBeRunAreNotOffered(t *testing.T) {
	t.Parallel()
	half := func(onnx []byte) []byte { return onnx[:len(onnx)/2] }
	weights := func(onnx []byte) []byte {
		for i := len(onnx) / 2; i < len(onnx)/2+4000; i++ {
			onnx[i] = 0xff
		}
		return onnx
	}
	bad := map[string]func([]byte, map[string]any) []byte{
		"mlp": func(onnx []byte, _ map[string]any) []byte { return half(onnx) }, // another digest
		"cnn": signed(half), "mobilenet": signed(weights),
		"cnn-small": func(onnx []byte, m map[string]any) []byte { m["labels"] = []string{"a", "b", "c"}; return onnx },
		"resnet-8":  func(onnx []byte, m map[string]any) []byte { m["input"].(map[string]any)["width"] = 29; return onnx },
	}
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0.1", "--profiles", spoilt(t, bad))
	if code, body := read(t, s.URL+"/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d %s", code, body)
	}
	st, err := s.Status(t.Context())
	if err != nil || len(st.Withheld) != len(bad) {
		t.Errorf("withheld are %+v, error %v", st.Withheld, err)
	}
	for name := range bad {
		if code, body := read(t, s.URL+"/v2/models/"+name+"/ready"); code != http.StatusServiceUnavailable || !strings.Contains(body, "is not offered") {
			t.Errorf("%s is %d %s", name, code, body)
		}
	}
	models, err := s.Models(t.Context())
	for _, m := range models {
		if bad[m.Name] != nil {
			t.Errorf("%s is offered", m.Name)
		}
	}
	if err != nil || len(models) == 0 {
		t.Errorf("%d models, error %v", len(models), err)
	}
	for i, class := range slices.Repeat([]query.Class{query.Strict, query.Relaxed, ""}, 12) {
		sub := client.Submission{Task: "fashion", Class: class, Input: query.Input{ContentType: "image/png", Data: pictures(t)[i].data}}
		if q := s.one(sub); q.State != query.Succeeded {
			t.Errorf("a query of class %q ended as %s: %v", class, q.State, q.Failure)
		}
	}
	if st, err := s.Status(t.Context()); err != nil || st.Queues["dead-letters"].Visible != 0 || len(st.Broken) != 0 {
		t.Errorf("%+v, broken %+v, error %v", st.Queues, st.Broken, err)
	}
}

// Where no model of a task passed, the stage comes up, is not ready and says why.
func TestWithoutAModelThatRunsNothingIsReady(t *testing.T) {
	t.Parallel()
	all := map[string]func([]byte, map[string]any) []byte{}
	for _, name := range []string{"logistic", "mlp", "cnn-small", "cnn", "resnet-8", "mobilenet", "resnet-20", "resnet-wide", "ensemble-flip", "ensemble-three"} {
		all[name] = func(onnx []byte, _ map[string]any) []byte { return onnx[1:] }
	}
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0.1", "--profiles", spoilt(t, all))
	for _, path := range []string{"/readyz", "/v2/health/ready"} {
		if code, body := read(t, s.URL+path); code != http.StatusServiceUnavailable || !strings.Contains(body, "SHA-256") {
			t.Errorf("%s answers %d %s", path, code, body)
		}
	}
	if code, body := read(t, s.URL+"/healthz"); code != http.StatusOK {
		t.Errorf("the process itself is %d %s", code, body)
	}
}

// read gets a page.
func read(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A model whose file is removed is not offered, status and doctor name it, without the folder
// of this machine, and it is offered again when the file is back.
func TestAModelWithoutItsFileIsNotOffered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir, "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	forest := file(t, "weather.onnx", enginetest.Forest(2, 0.5, labels))
	if out, complaint, err := s.model("add", forest, "--task", "weather"); err != nil {
		t.Fatalf("%v: %s%s", err, out, complaint)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "models", "*.onnx"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("files of models: %q, error %v", kept, err)
	}
	aside := kept[0] + ".aside"
	if err := os.Rename(kept[0], aside); err != nil {
		t.Fatal(err)
	}
	s.until("the model is withheld", func() bool {
		st, err := s.Status(t.Context())
		return err == nil && len(st.Withheld) == 1 && st.Withheld[0].Model == "weather" && strings.Contains(st.Withheld[0].Why, filepath.Base(kept[0])) && !strings.Contains(st.Withheld[0].Why, dir)
	})
	if out, err := exec.Command(built(t, "paragon"), "doctor", "--endpoint", s.URL).Output(); err == nil || !strings.Contains(string(out), "weather") {
		t.Errorf("doctor: error %v\n%s", err, out)
	}
	s.until("a query is refused with the reason", func() bool { // workers learn of it within half a second
		status, body := s.postQuery(`{"task":"weather","input":{"tensors":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[1,7]}]}}`)
		return status >= http.StatusBadRequest && strings.Contains(body, "missing")
	})
	if err := os.Rename(aside, kept[0]); err != nil {
		t.Fatal(err)
	}
	s.until("the model is offered again", func() bool {
		status, _, _, err := s.askForest(1)
		return err == nil && status == http.StatusOK
	})
}

// postQuery posts a query as JSON that nobody waits for, and returns the status with the body.
func (s *stage) postQuery(query string) (status int, body string) {
	resp, err := http.Post(s.URL+"/v1/queries", "application/json", strings.NewReader(query))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(raw)
}
