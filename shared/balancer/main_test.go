package balancer

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worker is a process that answers, in this one.
type worker struct {
	id     string
	addr   string
	server *http.Server

	serving sync.WaitGroup // connections; a server lingers on some

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// startWorker serves h on a unix socket until the test ends.
func startWorker(t testing.TB, id string, h http.Handler) *worker {
	t.Helper()
	dir, err := os.MkdirTemp("", "b") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, id)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{id: id, addr: "unix:" + path, conns: map[net.Conn]bool{}}
	w.server = &http.Server{Handler: h, ConnState: w.trackConnection}
	served := make(chan struct{})
	go func() { defer close(served); _ = w.server.Serve(l) }()
	t.Cleanup(func() {
		w.kill()
		<-served
		w.serving.Wait()
		_ = os.RemoveAll(dir)
	})
	return w
}

func (w *worker) trackConnection(c net.Conn, s http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s {
	case http.StateNew:
		w.serving.Add(1)
		w.conns[c] = true
	case http.StateClosed:
		delete(w.conns, c)
		w.serving.Done()
	}
}

// kill closes the listener and all connections at once, as the end of a process does.
func (w *worker) kill() { _ = w.server.Close() }

func (w *worker) target() Target { return Target{ID: w.id, Addr: w.addr} }

// front serves a balancer over TCP until the test ends, with its targets.
func front(t testing.TB, o Options, targets ...Target) (*Balancer, *httptest.Server) {
	t.Helper()
	if o.Room == nil {
		o.Room = &testRoom{}
	}
	b := New(o)
	b.SetTargets(targets)
	server := httptest.NewServer(b)
	t.Cleanup(func() {
		server.Close()
		b.SetTargets(nil) // closes what is idle
	})
	return b, server
}

// answer is what a caller got.
type answer struct {
	status int
	header http.Header
	body   string
}

func post(t testing.TB, server *httptest.Server, body []byte, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/queries", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, server, r, header)
}

func do(t testing.TB, server *httptest.Server, r *http.Request, header http.Header) answer {
	t.Helper()
	for k, vs := range header {
		r.Header[k] = vs
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// echo answers with the body it got.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write(data)
})

// says answers with a text.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// frozen never answers; each request that arrives is announced on the channel,
// and its context's end too.
type frozen struct{ arrived, left chan struct{} }

func newFrozen() *frozen { return &frozen{make(chan struct{}, 100), make(chan struct{}, 100)} }

func (f *frozen) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // its end lets the server notice who leaves
	f.arrived <- struct{}{}
	<-r.Context().Done()
	f.left <- struct{}{}
}

// pattern is a body of n bytes that shows what was lost or moved.
func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i*31 + i>>8)
	}
	return out
}

// testRoom counts the bytes of bodies, and has room for most of each owner; 0 means for
// all.
type testRoom struct {
	most int64
	mu   sync.Mutex
	of   map[string]int64
}

func (r *testRoom) Enter(owner string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.most > 0 && r.of[owner]+n > r.most {
		return false
	}
	if r.of == nil {
		r.of = map[string]int64{}
	}
	r.of[owner] += n
	return true
}

func (r *testRoom) Leave(owner string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[owner] -= n
}

func (r *testRoom) all() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range r.of {
		n += of
	}
	return n
}

// held is how many bytes of bodies a balancer with a testRoom holds.
func held(b *Balancer) int64 { return b.opts.Room.(*testRoom).all() }

// settled fails unless nothing is outstanding and no body held. The balancer
// lets go before the caller has its answer's last byte, but for the deferred
// release: so it is asked through a request's own end.
func settled(t testing.TB, b *Balancer, server *httptest.Server) {
	t.Helper()
	server.Close() // waits for handlers
	for _, s := range b.Status() {
		if s.Outstanding != 0 {
			t.Errorf("target %s has %d outstanding requests", s.ID, s.Outstanding)
		}
	}
	if n := held(b); n != 0 {
		t.Errorf("%d bytes of bodies are held", n)
	}
}

// canceled is a context that the test ends by hand.
func canceled(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func lines(texts ...string) string { return strings.Join(texts, "\r\n") + "\r\n\r\n" }
