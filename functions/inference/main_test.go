package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

func TestAnswersARequest(t *testing.T) {
	env := map[string]string{"PARAGON_MODEL": "logistic", lambdaMemory: "1769"}
	h, err := wire(t.Context(), func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	data := trouser(t, set)
	res, err := h(t.Context(), inference.Request{Model: "logistic", Input: query.Input{ContentType: "image/png", Data: data}})
	if err != nil || res.Error != nil || len(res.Top) != query.TopScores || strings.ToLower(res.Label) != "trouser" {
		t.Errorf("got %+v, error %v", res, err)
	}
	res, err = h(t.Context(), inference.Request{Model: "logistic", Input: query.Input{ContentType: "image/png", Data: data[:20]}})
	if err != nil || res.Error == nil || res.Error.Code != query.BadInput {
		t.Errorf("half a picture: %+v, error %v", res, err)
	}
}

// A generic function answers with any model of the stage, one that was added while it
// runs included, if it has the file that is asked for; it says how long a load took.
func TestAGenericFunctionRunsWhatIsAdded(t *testing.T) {
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := map[string]string{"PARAGON_MODELS": dir, lambdaMemory: "1769"}
	h, err := wire(t.Context(), func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	digest, data := add(t, dir, set), trouser(t, set)
	ask := func(model, sha256 string) inference.Response {
		res, err := h(t.Context(), inference.Request{Model: model, SHA256: sha256, Input: query.Input{ContentType: "image/png", Data: data}})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for i := range 2 {
		if res := ask("mine", digest); res.Error != nil || strings.ToLower(res.Label) != "trouser" || (res.LoadMS > 0) != (i == 0) {
			t.Errorf("run %d: %+v", i, res)
		}
	}
	for model, sha256 := range map[string]string{"mine": strings.Repeat("0", 64), "unknown": digest, "logistic": ""} {
		if res := ask(model, sha256); res.Error == nil || res.Error.Code != query.ModelFault {
			t.Errorf("%s with the digest %q: %+v", model, sha256, res)
		}
	}
}

// A run has as many threads as pay by the profile and as the memory buys vCPUs, and the
// function says so.
func TestARunHasTheThreadsThatPay(t *testing.T) {
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	dir, data := t.TempDir(), trouser(t, set)
	digest := add(t, dir, set, profile.Latency{Resource: "reference", Threads: 2, Batch: 1,
		MS: profile.Percentiles{P50: 1e-3, P95: 1e-3, P99: 1e-3}, Source: profile.Source{Kind: "measured", File: "f", Row: "r", Column: "c", Date: "2026-11-28"}})
	for memory, threads := range map[string]int{"1769": 0, "3537": 0, "3538": 2, "10240": 2} {
		env := map[string]string{"PARAGON_MODELS": dir, lambdaMemory: memory}
		h, err := wire(t.Context(), func(key string) string { return env[key] })
		if err != nil {
			t.Fatal(err)
		}
		res, err := h(t.Context(), inference.Request{Model: "mine", SHA256: digest, Input: query.Input{ContentType: "image/png", Data: data}})
		if err != nil || res.Error != nil || res.Threads != threads || strings.ToLower(res.Label) != "trouser" {
			t.Errorf("%s MB: %+v, error %v, want %d threads", memory, res, err, threads)
		}
	}
}

// trouser is a sample picture.
func trouser(t *testing.T, set *profiles.Set) []byte {
	t.Helper()
	names, err := fs.Glob(set.Samples("fashion"), "*-trouser.png")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sample picture, error %v", err)
	}
	data, err := fs.ReadFile(set.Samples("fashion"), names[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// add puts the network of a model that ships into a folder as a model of its own, with
// some service times besides, and returns its digest.
func add(t *testing.T, dir string, set *profiles.Set, times ...profile.Latency) string {
	t.Helper()
	base := profilestest.Shipped(t)
	onnx, err := set.ONNX("mlp")
	if err != nil {
		t.Fatal(err)
	}
	store, err := modelstore.Open(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.Receive(bytes.NewReader(onnx))
	if err != nil {
		t.Fatal(err)
	}
	task, _ := base.Task("fashion")
	m, _ := base.Model("mlp")
	mine := *m
	mine.Name, mine.Latency = "mine", append(slices.Clone(m.Latency), times...)
	if err := store.Add(d, modelstore.Addition{Task: task, Model: mine, Measured: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	return d.SHA256
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"PARAGON_MODEL":      {},
		"PARAGON_CATALOGUE":  {"PARAGON_MODEL": "logistic", "PARAGON_CATALOGUE": "none"},
		"s3://bucket/prefix": {"PARAGON_MODEL": "logistic", "PARAGON_PROFILES": "s3://Bucket/prefix"},
		"no-such-model":      {"PARAGON_MODEL": "no-such-model", lambdaMemory: "1769"},
		lambdaMemory:         {"PARAGON_MODELS": t.TempDir()},
	} {
		_, err := wire(t.Context(), func(key string) string { return env[key] })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The reason of a failed start goes to the runtime, with Lambda's path, header and body.
func TestAFailedStartIsReported(t *testing.T) {
	var path, kind, body string
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		path, kind, body = r.URL.Path, r.Header.Get("Lambda-Runtime-Function-Error-Type"), string(raw)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer runtime.Close()
	env := map[string]string{runtimeAPI: strings.TrimPrefix(runtime.URL, "http://")}
	reportStart(func(key string) string { return env[key] }, errors.New("no such file"))
	if path != "/2018-06-01/runtime/init/error" || kind == "" || !strings.Contains(body, "no such file") || !strings.Contains(body, "errorMessage") {
		t.Errorf("%s %s %s", path, kind, body)
	}
}
