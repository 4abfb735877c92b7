package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/docs"
)

// begin begins a request on a connection of its own, and sends a part of its body.
func begin(t *testing.T, server *httptest.Server, head, part string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n%s", head, part)
	return bufio.NewReader(conn)
}

// A body that says that it is too large is refused before its caller is asked to
// send it.
func TestTooLargeIsSaidBeforeContinue(t *testing.T) {
	s := newStage(t)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	place, err := s.cloud.Blobs.NewUpload(t.Context(), "local", "image/png", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"POST /v1/queries", "POST /v2/models/fashion/infer", "POST /v1/uploads", "PUT " + place.URL} {
		for _, packed := range []string{"", "\r\nContent-Encoding: gzip"} {
			in := begin(t, server, what+" HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999999"+packed, "")
			line, err := in.ReadString('\n')
			if err != nil || !strings.Contains(line, " 413 ") {
				t.Errorf("%s%q: %q, error %v", what, packed, line, err)
			}
		}
	}
}

// Who reads bodies before the API knows what that takes: no more by a byte, and no less.
func TestTheMostOfABodyIsWhatTheAPITakes(t *testing.T) {
	s := newStage(t)
	inline := s.svc.InlineLimit(s.svc.Settings())
	for _, c := range []struct{ path, kind, coding string }{
		{"/v1/queries", "application/json", ""}, {"/v1/queries?task=fashion", "image/png", ""}, {"/v1/queries?task=fashion", "image/jpeg", "gzip"},
		{"/v2/models/fashion/infer", "application/json", ""}, {"/v2/models/fashion/infer", "", "gzip"}, {"/v2/models/fashion/versions/1/infer", "application/octet-stream", ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost"+c.path, strings.NewReader("x"))
		r.Header.Set("Content-Type", c.kind)
		if c.coding != "" {
			r.Header.Set("Content-Encoding", c.coding)
		}
		most := MaxBody(r, s.svc)
		if most < int64(inline) {
			t.Errorf("%v: at most %d bytes, below the inline limit", c, most)
		}
		for length, large := range map[int64]bool{most: false, most + 1: true} {
			r.ContentLength = length
			w := httptest.NewRecorder()
			if s.handler.ServeHTTP(w, r); (w.Code == http.StatusRequestEntityTooLarge) != large {
				t.Errorf("%v: %d bytes of at most %d are %d", c, length, most, w.Code)
			}
		}
	}
}

// Half bodies take a bounded part of the memory, and one caller's do not keep others
// out: what is above it is refused before it is read.
func TestBodiesUnderWayAreBounded(t *testing.T) {
	s := newStage(t)
	h, err := New(s.svc, Options{OpenAPI: docs.OpenAPI, HeldBytes: 400 << 10, Owner: func(r *http.Request) string { return r.Header.Get("Who") }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	half := func(who string, kb int) *bufio.Reader {
		return begin(t, server, fmt.Sprintf("POST /v1/queries HTTP/1.1\r\nExpect: 100-continue\r\nWho: %s\r\nContent-Length: %d", who, kb<<10), "")
	}
	want := func(what string, in *bufio.Reader, status string) {
		t.Helper()
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, status) {
			t.Errorf("%s: %q, error %v, want %s", what, line, err, status)
		}
	}
	for i := range 3 {
		want(fmt.Sprint("the greedy one's body ", i), half("greedy", 100), " 100 ")
	}
	want("one more", half("greedy", 100), " 503 ")
	want("another caller's", half("modest", 100), " 100 ")
	want("a third one's", half("third", 100), " 503 ")
	want("a small one", half("third", 1), " 100 ")
	want("one that is too large anyway", half("third", 1<<20), " 413 ")
}

// A body gives its room back when its request ends, however it ends.
func TestRoomIsGivenBack(t *testing.T) {
	s := newStage(t)
	a := &server{svc: s.svc, Options: Options{Owner: LocalOwner}, room: NewRoom(100 << 10)}
	served := a.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Fails") != "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	for i := range 20 {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/queries", strings.NewReader(strings.Repeat("x", 60<<10)))
		if i%2 == 0 {
			r.Header.Set("Fails", "1")
		}
		func() {
			defer func() { _ = recover() }()
			served.ServeHTTP(httptest.NewRecorder(), r)
		}()
	}
	if a.room.total != 0 || len(a.room.of) != 0 {
		t.Errorf("%d bytes are still counted, of %v", a.room.total, a.room.of)
	}
}

// Above the bound connections are turned away at once, and let in again when others
// have closed.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 10)
	server := &http.Server{
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		},
	}
	go func() { _ = server.Serve(Bounded(l, 2)) }()
	t.Cleanup(func() { _ = server.Close() })
	ask := func() (net.Conn, int) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return conn, 0 // closed before what was sent could be answered
		}
		return conn, resp.StatusCode
	}
	first, status := ask()
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if _, status = ask(); status != http.StatusOK {
		t.Fatalf("the second: status %d", status)
	}
	if _, status = ask(); status != http.StatusServiceUnavailable && status != 0 {
		t.Errorf("the third: status %d", status)
	}
	first.Close()
	<-closed
	if _, status = ask(); status != http.StatusOK {
		t.Errorf("after one has closed: status %d", status)
	}
}
