package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
)

// livePaths serves a Live of paths that answer with what a test stores, at seconds
// that the test gives.
type livePaths struct {
	*httptest.Server
	live     *Live
	answer   atomic.Value // of each path
	reads    atomic.Int32
	ticks    chan time.Time
	ending   chan struct{}
	finished chan struct{} // one for each request that ended
}

func newLivePaths(t *testing.T, most int) *livePaths {
	p := &livePaths{ticks: make(chan time.Time), ending: make(chan struct{}), finished: make(chan struct{}, 10)}
	p.answer.Store("a")
	paths := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.reads.Add(1)
		_, _ = fmt.Fprintf(w, `{"is":%q}`, p.answer.Load())
	})
	p.live = NewLive(paths, Streams{Most: most, Ending: p.ending, Ticks: func() (<-chan time.Time, func()) { return p.ticks, func() {} }})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.live.Serve(w, r); err != nil {
			t.Error(err)
		}
		p.finished <- struct{}{}
	}))
	t.Cleanup(p.Close)
	return p
}

// open asks for a stream.
func (p *livePaths) open(t *testing.T, ctx context.Context, watch string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/v1/live?watch="+watch, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	got, err := p.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = got.Body.Close() })
	return got
}

// next is the next line of a stream that is not empty.
func next(t *testing.T, from *bufio.Scanner) string {
	t.Helper()
	for from.Scan() {
		if from.Text() != "" {
			return from.Text()
		}
	}
	t.Fatalf("the stream ended: %v", from.Err())
	return ""
}

func TestAStreamSendsWhatChanges(t *testing.T) {
	p := newLivePaths(t, 1)
	got := p.open(t, t.Context(), "/v1/status&watch=/v1/workers?limit=20")
	if is := got.Header.Get("Content-Type"); is != "text/event-stream" {
		t.Fatalf("it is %s", is)
	}
	if keeps := got.Header.Get("X-Accel-Buffering"); keeps != "no" {
		t.Errorf("a proxy may keep the stream back: %q", keeps)
	}
	lines := bufio.NewScanner(got.Body)
	event := func(path string, every int, is string) {
		t.Helper()
		want := fmt.Sprintf(`data: {"path":%q,"status":200,"every_seconds":%d,"body":{"is":%q}}`, path, every, is)
		if line := next(t, lines); line != want {
			t.Errorf("%s\nwant %s", line, want)
		}
	}
	event("/v1/status", 1, "a")
	event("/v1/workers?limit=20", 5, "a")
	tick := func() { p.ticks <- time.Time{} }
	tick() // nothing has changed
	p.answer.Store("b")
	tick()
	event("/v1/status", 1, "b")
	for range 3 {
		tick()
	}
	event("/v1/workers?limit=20", 5, "b")
	for range heartbeatSeconds {
		tick()
	}
	if line := next(t, lines); !strings.HasPrefix(line, ":") {
		t.Errorf("%s after %d seconds without a change", line, heartbeatSeconds)
	}
	close(p.ending)
	if rest, err := io.ReadAll(got.Body); err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("%q after the end of the server, error %v", rest, err)
	}
}

// A stream ends after its time, so that a caller that has lost its token opens none again.
func TestAStreamEndsAfterItsTime(t *testing.T) {
	p := newLivePaths(t, 1)
	got := p.open(t, t.Context(), "/v1/status")
	go func() {
		for range streamSeconds {
			p.ticks <- time.Time{}
		}
	}()
	if text, err := io.ReadAll(got.Body); err != nil || strings.Count(string(text), "data: ") != 1 {
		t.Errorf("%q, error %v", text, err)
	}
}

// An answer that is no stream leaves out what would make it too large, and refuses a part
// that is too large alone.
func TestAnAnswerIsBounded(t *testing.T) {
	part := func(path string, bytes int) api.LivePart {
		return api.LivePart{Path: path, Status: http.StatusOK, Body: []byte(`"` + strings.Repeat("x", bytes-2) + `"`)}
	}
	for _, c := range []struct {
		parts []api.LivePart
		want  []string
	}{
		{[]api.LivePart{part("/a", 1000), part("/b", mostBytes-1000), part("/c", 2)}, []string{"/a", "/b"}},
		{[]api.LivePart{part("/a", 1000), part("/b", mostBytes-999), part("/c", 2)}, []string{"/a", "/c"}},
		{[]api.LivePart{part("/a", mostBytes+1), part("/b", 2)}, []string{"/a refused", "/b"}},
		{[]api.LivePart{part("/a", 2), part("/b", mostBytes+1)}, []string{"/a", "/b refused"}},
	} {
		w := httptest.NewRecorder()
		if err := answerOnce(w, c.parts); err != nil {
			t.Fatal(err)
		}
		var got api.Live
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		paths := []string{}
		for _, p := range got.Parts {
			if p.Status == http.StatusBadRequest {
				p.Path += " refused"
			}
			paths = append(paths, p.Path)
		}
		if w.Body.Len() > 100_000 {
			t.Errorf("the answer has %d bytes", w.Body.Len())
		}
		if !slices.Equal(paths, c.want) {
			t.Errorf("the answer holds %v, want %v", paths, c.want)
		}
	}
}

// A request beyond the streams that may be open is answered once, and says when to come
// again; so is one that does not ask for a stream.
func TestStreamsAreBounded(t *testing.T) {
	p := newLivePaths(t, 1)
	ctx, leave := context.WithCancel(t.Context())
	first := p.open(t, ctx, "/v1/status")
	next(t, bufio.NewScanner(first.Body))
	var once api.Live
	if err := json.NewDecoder(p.open(t, t.Context(), "/v1/status").Body).Decode(&once); err != nil || once.AgainSeconds != pollSeconds {
		t.Fatalf("again after %d s, error %v", once.AgainSeconds, err)
	}
	if len(once.Parts) != 1 || once.Parts[0].Status != 200 || string(once.Parts[0].Body) != `{"is":"a"}` {
		t.Errorf("parts %+v", once.Parts)
	}
	<-p.finished
	leave()
	<-p.finished
	if got := p.open(t, t.Context(), "/v1/status"); got.Header.Get("Content-Type") != "text/event-stream" {
		t.Error("a stream that ended keeps its place")
	}
	close(p.ending)
}

func TestAHeadRequestOpensNoStream(t *testing.T) {
	p := newLivePaths(t, 1)
	r := httptest.NewRequest(http.MethodHead, "/v1/live?watch=/v1/status", nil)
	r.Header.Set("Accept", "text/event-stream")
	close(p.ending) // so that a stream would end
	w := httptest.NewRecorder()
	if err := p.live.Serve(w, r); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s, error %v", w.Header().Get("Content-Type"), err)
	}
}

// What a caller may not read by its own request, it does not read here.
func TestLiveShowsWhatTheCallerMayRead(t *testing.T) {
	s, _, _ := operatedWith(t, func(r *http.Request) bool { return r.Header.Get(api.OperatorHeader) == "open" })
	watch := "/v1/live?watch=/v1/settings&watch=/v1/queries?limit=5&watch=/v1/workers&watch=/v1/history?hours=400"
	for token, want := range map[string]int{"": 403, "wrong": 403, "open": 200} {
		var got api.Live
		s.do(t, "GET", watch, nil, api.OperatorHeader, token).into(t, &got)
		if len(got.Parts) != 4 || got.Parts[0].Status != want || got.Parts[1].Status != 200 || got.Parts[2].Status != 200 || got.Parts[3].Status != 400 {
			t.Errorf("with token %q: %+v", token, got.Parts)
		}
	}
	foreign := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:8080"+watch, nil)
	foreign.Host = "evil.example"
	checkProblem(t, s.send(t, foreign, nil), "wrong-host", 403, "Host")
	for _, bad := range []string{"", "watch=/v1/uploads", "watch=/v1/live", "watch=//x/v1/status", "watch=" + strings.Repeat("/v1/status&watch=", 7) + "/v1/status", "%zz"} {
		field := "watch"
		if bad == "%zz" {
			field = ""
		}
		checkProblem(t, s.do(t, "GET", "/v1/live?"+bad, nil), "bad-field", 400, field)
	}
}
