package page_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/page"
)

// stage is the page with a fake API that a test can take away.
type stage struct {
	api    *clienttest.API
	page   http.Handler
	gone   atomic.Bool
	silent atomic.Bool // it does not stream
	closed atomic.Bool // what operators see may not be read
	live   *httpapi.Live
	once   *httpapi.Live
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/test/gone":
		s.gone.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/silent":
		s.silent.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/uncalibrated":
		s.api.Uncalibrated.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/faulty":
		s.api.Faulty.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/large":
		s.api.Large.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/dead":
		s.api.Dead.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/locked":
		s.api.Locked.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/closed":
		s.closed.Store(r.URL.Query().Get("is") == "true")
	case r.URL.Path == "/test/axe.js":
		http.ServeFile(w, r, "../../node_modules/axe-core/axe.min.js")
	case s.gone.Load():
		panic(http.ErrAbortHandler) // the connection breaks
	case r.URL.Path == "/v1/live":
		live := s.live
		if s.silent.Load() {
			live = s.once
		}
		if err := live.Serve(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	case s.api.Locked.Load() && (r.URL.Path == "/v1/settings" || r.URL.Path == "/local/faults") && r.Header.Get(api.OperatorHeader) != clienttest.OperatorToken:
		http.Error(w, `{"type":"not-operator","status":403}`, http.StatusForbidden)
	case s.closed.Load() && slices.Contains([]string{"/v1/settings", "/v1/decisions", "/v1/workers"}, r.URL.Path):
		http.Error(w, `{"detail":"AccessDenied; ask for the policy"}`, http.StatusInternalServerError)
	case strings.HasPrefix(r.URL.Path, "/v1/"), r.URL.Path == "/local/faults":
		s.api.ServeHTTP(w, r)
	default:
		s.page.ServeHTTP(w, r)
	}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{api: &clienttest.API{Now: time.Now}, page: page.Handler(set.Samples("fashion"))}
	s.live, s.once = httpapi.NewLive(s, httpapi.Streams{Most: 8}), httpapi.NewLive(s, httpapi.Streams{})
	return s
}

// TestInABrowser drives the page with a real browser, by browser_test.mjs.
func TestInABrowser(t *testing.T) {
	const chromium = "/usr/bin/chromium"
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("%v: the page is tested in a browser; get it with `apt-get install -y chromium`", err)
	}
	if _, err := os.Stat("../../node_modules/playwright-core"); err != nil {
		t.Fatalf("%v: get what drives the browser with `npm ci --ignore-scripts`", err)
	}
	server := httptest.NewServer(newStage(t))
	defer server.Close()
	args := []string{"--test", "--test-reporter=spec"}
	if os.Getenv("PAGE_PICTURES") != "" { // the folder for the pictures of docs/page.md, which only these tests make
		args = append(args, "--test-name-pattern=^it fits: ")
	} else if os.Getenv("PAGE_TIMES") != "" { // the page of the docs for the duration of tasks, which only this test measures
		args = append(args, "--test-name-pattern=^a thousand workers")
	}
	cmd := exec.CommandContext(t.Context(), "node", append(args, "browser_test.mjs")...)
	cmd.Env = append(os.Environ(), "PAGE_URL="+server.URL, "CHROMIUM="+chromium)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func get(t *testing.T, h http.Handler, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result()
}

func TestFiles(t *testing.T) {
	h := newStage(t).page
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/app.js": "text/javascript; charset=utf-8",
		"/page/style.css": "text/css; charset=utf-8", "/page/icon.svg": "image/svg+xml",
		"/samples/": "application/json", "/samples/0000-ankle-boot.png": "image/png",
	} {
		r := get(t, h, path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s goes without its policy", path)
		}
	}
	for _, path := range []string{"/nothing", "/page/page.go", "/page/", "/samples/labels.csv", "/samples/LICENSE.md", "/samples/..%2fcatalogue.json", "/page/..%2fpage.go"} {
		if r := get(t, h, path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

// The chart library is vendored as it is published: uplot.js and uplot.css are the
// files of the npm package at the version in package.json.
func TestTheChartLibraryIsAsPublished(t *testing.T) {
	for ours, published := range map[string]string{"uplot.js": "uPlot.iife.min.js", "uplot.css": "uPlot.min.css"} {
		have, err := os.ReadFile("assets/" + ours)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("../../node_modules/uplot/dist/" + published)
		if err != nil {
			t.Fatalf("%v: get it with `npm ci --ignore-scripts`", err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s differs from the published %s", ours, published)
		}
	}
}

// mostBytes bounds what the page takes in all, the chart library included.
const mostBytes = 140 << 10

func TestThePageIsSmall(t *testing.T) {
	entries, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	bytes := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes += int(info.Size())
	}
	t.Logf("%d bytes", bytes)
	if bytes > mostBytes {
		t.Errorf("the page takes %d bytes, %d are the most", bytes, mostBytes)
	}
}

// Every file stands for itself: no other host, no inline script or style. The
// chart library names its own address in a comment.
func TestFilesAreSelfContained(t *testing.T) {
	entries, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		body, err := os.ReadFile("assets/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.ReplaceAll(body, []byte("http://www.w3.org/2000/svg"), nil)
		text = bytes.ReplaceAll(text, []byte("/*! https://github.com/leeoniya/uPlot"), nil)
		for _, bad := range []string{"http://", "https://", "//cdn", "innerHTML", "style=", "onclick=", "eval("} {
			if bytes.Contains(text, []byte(bad)) {
				t.Errorf("%s holds %q", e.Name(), bad)
			}
		}
	}
}

func TestSamplesAreOneOfAKind(t *testing.T) {
	var got []struct{ File, Label string }
	r := get(t, newStage(t).page, "/samples/")
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range got {
		if seen[s.Label] || s.Label == "" {
			t.Errorf("label %q twice, or none", s.Label)
		}
		seen[s.Label] = true
	}
	if len(got) != 10 {
		t.Errorf("%d samples, want one of each of 10 kinds", len(got))
	}
}

// Photographs that only have names are all offered.
func TestSamplesWithoutNumbers(t *testing.T) {
	folder := fstest.MapFS{"chelsea.jpg": {}, "coffee-cup.jpg": {}, "0001-coat.png": {}, "0002-coat.png": {}, "labels.csv": {}}
	r := get(t, page.Handler(folder), "/samples/")
	const want = `[{"file":"0001-coat.png","label":"coat"},{"file":"chelsea.jpg","label":"chelsea"},{"file":"coffee-cup.jpg","label":"coffee cup"}]`
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != want {
		t.Errorf("status %d: %s", r.StatusCode, body)
	}
}

func TestWithoutSamples(t *testing.T) {
	r := get(t, page.Handler(fstest.MapFS{}), "/samples/")
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || string(body) != "[]\n" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
}
