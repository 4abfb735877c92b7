package machine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/balancer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// own is the API of the process: it says so, with the length of the body.
var own = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, "own "+strings.Repeat("x", len(data)))
})

// startListener serves h as a worker does, on a socket, and returns its address.
func startListener(t *testing.T, h http.Handler) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg-")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "w.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		served.Wait()
		_ = os.RemoveAll(dir)
	})
	return "unix:" + path
}

// newTestFront serves a front over a fleet, and returns how it learns of the fleet.
func newTestFront(t *testing.T) (*sqlite.Backend, *httptest.Server, func()) {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(own, atMost(1<<20), never, nil, backend, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(f)
	t.Cleanup(func() {
		server.Close()
		f.balancer.SetTargets(nil)
		_ = backend.Close()
	})
	var known map[string]bool
	return backend, server, func() {
		t.Helper()
		ws, err := backend.Platform().Fleet.Workers(t.Context(), Pool)
		if err != nil {
			t.Fatal(err)
		}
		known = f.update(ws, known)
	}
}

// atMost bounds every body.
func atMost(n int64) func(*http.Request) int64 { return func(*http.Request) int64 { return n } }

// never has no request that is overdue.
func never(*http.Request) (time.Duration, bool) { return 0, false }

// changingFleet is a fleet that the test changes.
type changingFleet struct {
	platform.Fleet
	mu      sync.Mutex
	workers []platform.WorkerReport
	err     error
	changed chan struct{}
}

func (c *changingFleet) FleetChanged() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *changingFleet) Workers(context.Context, string) ([]platform.WorkerReport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers, c.err
}

func (c *changingFleet) change(err error, ws ...platform.WorkerReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workers, c.err = ws, err
	close(c.changed)
	c.changed = make(chan struct{})
}

func TestFrontIsUpdatedWithTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fleet := newFront(own, atMost(1), never, nil, nil, slog.New(slog.DiscardHandler)), &changingFleet{changed: make(chan struct{})}
		var following sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		following.Go(func() { f.watchFleet(ctx, fleet, fleet) })
		ready := platform.WorkerReport{ID: "w-1", State: platform.Ready, Addr: "unix:/a"}
		for _, tc := range []struct {
			workers []platform.WorkerReport
			targets int
		}{{nil, 0}, {[]platform.WorkerReport{ready}, 1}, {[]platform.WorkerReport{ready, {ID: "w-2", State: platform.Booting, Addr: "unix:/b"}}, 1}, {nil, 0}} {
			fleet.change(nil, tc.workers...)
			synctest.Wait()
			if s := f.balancer.Status(); len(s) != tc.targets {
				t.Errorf("%d workers: %+v", len(tc.workers), s)
			}
		}
		fleet.change(errors.New("down"))
		synctest.Wait()
		fleet.mu.Lock()
		fleet.workers, fleet.err = []platform.WorkerReport{ready}, nil // and nobody says so
		fleet.mu.Unlock()
		<-time.After(time.Second)
		synctest.Wait()
		if s := f.balancer.Status(); len(s) != 1 {
			t.Errorf("a second after an error: %+v", s)
		}
		stop()
		following.Wait()
		if s := f.balancer.Status(); len(s) != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func report(t *testing.T, backend *sqlite.Backend, r platform.WorkerReport) {
	t.Helper()
	r.Pool, r.At = Pool, time.Now()
	if _, err := backend.Platform().Fleet.Report(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, server *httptest.Server, method, path string, header http.Header, body []byte) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, vs := range header {
		r.Header[k] = vs
	}
	r.Host = cmp.Or(header.Get("Host"), r.Host)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWorkersAnswerWhatAsksForAnAnswer(t *testing.T) {
	backend, server, learn := newTestFront(t)
	addr := startListener(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "worker for "+strings.Join(r.Header[platform.OwnerHeader], ","))
	}))
	if got := send(t, server, "POST", "/v1/queries", nil, nil); got != "own " {
		t.Errorf("without a worker: %q", got)
	}
	report(t, backend, platform.WorkerReport{ID: "w-deaf", State: platform.Ready}) // it does not listen
	report(t, backend, platform.WorkerReport{ID: "w-1", State: platform.Ready, Addr: addr})
	learn()
	forged := http.Header{platform.OwnerHeader: {"thief", "other"}}
	for _, tc := range []struct {
		method, path string
		header       http.Header
		want         string
	}{
		{"POST", "/v1/queries", nil, "worker for local"},
		{"POST", "/v1/queries", forged, "worker for local"},
		{"POST", "/v1/queries", http.Header{"Authorization": {"Bearer a"}}, "worker for key-ca978112ca1bbdcafac231b3"},
		{"POST", "/v1/queries", http.Header{"Host": {"evil.example:80"}}, "own "},
		{"POST", "/v1/queries", http.Header{"Host": {"127.0.0.1"}}, "worker for local"}, // as proxies and servers on port 80 send it
		{"POST", "/v1/queries", http.Header{"Host": {"LOCALHOST"}}, "worker for local"},
		{"POST", "/v2/models/m/infer", nil, "worker for local"},
		{"POST", "/v2/models/m/versions/3/infer", nil, "worker for local"},
		{"GET", "/v1/queries", nil, "own "},
		{"POST", "/v1/queries/", nil, "own "},
		{"POST", "/v1/queries/q/feedback", nil, "own "},
		{"POST", "/v1/uploads", nil, "own "},
		{"GET", "/v2/models/m/infer", nil, "own "},
		{"POST", "/v2/models//infer", nil, "own "},
		{"POST", "/v2/models/infer", nil, "own "},
		{"POST", "/v2/models/m/versions/infer", nil, "own "},
		{"POST", "/v2/models/m/x/3/infer", nil, "own "},
	} {
		if got := send(t, server, tc.method, tc.path, tc.header, nil); got != tc.want {
			t.Errorf("%s %s %v: %q, want %q", tc.method, tc.path, tc.header, got, tc.want)
		}
	}
	report(t, backend, platform.WorkerReport{ID: "w-1", State: platform.Draining, Addr: addr})
	learn()
	if got := send(t, server, "POST", "/v1/queries", nil, nil); got != "own " {
		t.Errorf("with a worker that drains: %q", got)
	}
}

// A worker that is declared dead gives back what it holds; one that drains
// finishes it.
func TestWhatAGoneWorkerHoldsIsAnsweredElsewhere(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, backend *sqlite.Backend, addr string, finish chan struct{})
		want string
	}{
		{"gone", func(t *testing.T, backend *sqlite.Backend, _ string, _ chan struct{}) {
			if err := backend.MarkGone(t.Context(), "w-1"); err != nil {
				t.Error(err)
			}
		}, "own " + strings.Repeat("x", 600_000)},
		{"draining", func(t *testing.T, backend *sqlite.Backend, addr string, finish chan struct{}) {
			report(t, backend, platform.WorkerReport{ID: "w-1", State: platform.Draining, Addr: addr})
			close(finish) // whether it has drained before or after, it answers
		}, "worker"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			backend, server, learn := newTestFront(t)
			arrived, finish := make(chan struct{}, 1), make(chan struct{})
			addr := startListener(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				arrived <- struct{}{}
				select {
				case <-finish:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "worker")
			}))
			report(t, backend, platform.WorkerReport{ID: "w-1", State: platform.Ready, Addr: addr})
			learn()
			var caller sync.WaitGroup
			caller.Go(func() {
				if got := send(t, server, "POST", "/v1/queries", nil, make([]byte, 600_000)); got != tc.want {
					t.Errorf("answered %.20q, %d bytes", got, len(got))
				}
			})
			<-arrived
			tc.end(t, backend, addr, finish)
			learn()
			caller.Wait()
		})
	}
}

// What is too large is refused by the API, which knows how to say so.
func TestTooLargeIsTheAPIsToExplain(t *testing.T) {
	backend, server, learn := newTestFront(t)
	report(t, backend, platform.WorkerReport{ID: "w-1", State: platform.Ready, Addr: "unix:/nowhere"})
	learn()
	n := 1<<20 + 1
	if got := send(t, server, "POST", "/v1/queries", nil, make([]byte, n)); len(got) != len("own ")+n {
		t.Errorf("%d bytes come back", len(got))
	}
}

// A request that is refused unread is the API's, with the reason, and no worker sees it.
func TestARequestThatIsNotAdmittedGoesToNoWorker(t *testing.T) {
	why, got := errors.New("above the caller's rate"), 0
	f := newFront(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got++ }), atMost(1), never, nil, nil, slog.New(slog.DiscardHandler))
	f.admits = func(*http.Request) error { return why }
	r := httptest.NewRequest(http.MethodPost, "/v1/queries", strings.NewReader("{}"))
	r.Host = "127.0.0.1:80"
	if f.ServeHTTP(httptest.NewRecorder(), r); got != 1 || f.balancer.Counts() != (balancer.Counts{}) {
		t.Errorf("the API has %d requests, the balancer %+v", got, f.balancer.Counts())
	}
}
