package balancer

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeastOutstandingThenInTurn(t *testing.T) {
	b := New(Options{})
	b.SetTargets([]Target{{ID: "a", Addr: "unix:a"}, {ID: "b", Addr: "unix:b"}, {ID: "c", Addr: "unix:c"}})
	var got []string
	var held []*attempt
	for range 6 {
		a := b.acquire(t.Context(), "", nil)
		held, got = append(held, a), append(got, a.to.ID)
	}
	if !slices.Equal(got, []string{"a", "b", "c", "a", "b", "c"}) {
		t.Errorf("equals came in the order %v", got)
	}
	b.release(held[1], false)
	b.release(held[4], false)
	for range 2 {
		if a := b.acquire(t.Context(), "", nil); a.to.ID != "b" {
			t.Errorf("%s was taken with b idle", a.to.ID)
		}
	}
}

func TestAnOwnersRequestsAreSpreadByItsOwn(t *testing.T) {
	owned := func(owner string) *body { return &body{owner: owner} }
	for byOwner, want := range map[bool][]string{
		false: {"b", "b"}, // b has fewer requests
		true:  {"a", "b"}, // a has none of the quiet owner, then both have one
	} {
		b := New(Options{ByOwner: byOwner})
		b.SetTargets([]Target{{ID: "a", Addr: "unix:a"}, {ID: "b", Addr: "unix:b"}})
		for range 5 {
			b.acquire(t.Context(), b.ownerOf(owned("noisy")), b.targets[1:])
		}
		b.acquire(t.Context(), b.ownerOf(owned("quiet")), b.targets[:1])
		var got []string
		for range want {
			got = append(got, b.acquire(t.Context(), b.ownerOf(owned("quiet")), nil).to.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("by owner %t: the quiet owner's requests went to %v instead of %v", byOwner, got, want)
		}
	}
}

func TestTheOwnerIsKnownWithAndWithoutABody(t *testing.T) {
	b := New(Options{ByOwner: true, HeaderValue: func(r *http.Request) string { return r.Header.Get("Owner") }})
	for _, content := range []string{"", "a body"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(content))
		r.Header.Set("Owner", "quiet")
		d, status := b.readBody(httptest.NewRecorder(), r)
		if status != 0 || b.ownerOf(d) != "quiet" {
			t.Errorf("body %q: status %d, owner %q", content, status, b.ownerOf(d))
		}
		d.release()
	}
}

func TestOwnersThatHaveNothingUnderWayAreForgotten(t *testing.T) {
	b := New(Options{ByOwner: true})
	b.SetTargets([]Target{{ID: "a", Addr: "unix:a"}})
	one, two := b.acquire(t.Context(), "one", nil), b.acquire(t.Context(), "two", nil)
	b.release(one, false)
	b.release(two, true)
	if n := len(b.targets[0].ofOwner); n != 0 {
		t.Errorf("%d owners are kept", n)
	}
}

func TestBodiesAndAnswersPassWhole(t *testing.T) {
	a := startWorker(t, "a", echo)
	b, server := front(t, Options{}, a.target())
	for _, n := range []int{0, 1, 4095, 4096, 5000, 16 << 10, 16<<10 + 1, 602112, 3 << 20} {
		if got := post(t, server, pattern(n), nil); got.status != 200 || got.body != string(pattern(n)) {
			t.Errorf("%d bytes: status %d, %d bytes back", n, got.status, len(got.body))
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, struct{ io.Reader }{bytes.NewReader(pattern(n))})
		if got := do(t, server, r, nil); got.status != 200 || got.body != string(pattern(n)) {
			t.Errorf("%d bytes in chunks: status %d, %d bytes back", n, got.status, len(got.body))
		}
	}
	if s := b.Status()[0]; s.Sent != 18 || s.Failed != 0 || b.Counts().Forwarded != 18 {
		t.Errorf("18 requests count as %+v, %+v", s, b.Counts())
	}
	settled(t, b, server)
}

func TestAnswersPassAsTheyAre(t *testing.T) {
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header()["X-Two"] = []string{"1", "2"}
		w.WriteHeader(http.StatusEarlyHints)
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/flushed":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, " and half")
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+r.Host)
		}
	}))
	_, server := front(t, Options{}, a.target())
	host := strings.TrimPrefix(server.URL, "http://")
	for _, tc := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/v1/queries?a=%2F&b", 418, "GET /v1/queries?a=%2F&b " + host},
		{"HEAD", "/x", 418, ""},
		{"GET", "/none", 204, ""},
		{"GET", "/flushed", 200, "half and half"},
		{"DELETE", "/a%20b", 418, "DELETE /a%20b " + host},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), tc.method, server.URL+tc.path, nil)
		got := do(t, server, r, nil)
		if got.status != tc.status || got.body != tc.body {
			t.Errorf("%s %s: %d %q", tc.method, tc.path, got.status, got.body)
		}
		if h := got.header; h.Get("X-Hop") != "" || h.Get("Keep-Alive") != "" || !slices.Equal(h["X-Two"], []string{"1", "2"}) {
			t.Errorf("%s %s: header %v", tc.method, tc.path, h)
		}
	}
}

// Whatever a caller sends, the target sees one value of the overwritten header,
// and nothing that only a proxy may say.
func TestOverwrittenHeaderCannotBeBypassed(t *testing.T) {
	seen := make(chan http.Header, 1)
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	value := "local"
	_, server := front(t, Options{Header: "x-paragon-owner", HeaderValue: func(*http.Request) string { return value }}, a.target())
	host := strings.TrimPrefix(server.URL, "http://")
	for name, head := range map[string][]string{
		"none":          nil,
		"one":           {"X-Paragon-Owner: thief"},
		"several":       {"X-Paragon-Owner: thief", "X-Paragon-Owner: other"},
		"case":          {"x-pARAGON-owner: thief"},
		"connection":    {"X-Paragon-Owner: thief", "Connection: X-Paragon-Owner"},
		"connections":   {"Connection: close, x-paragon-owner", "X-Paragon-Owner: thief"},
		"proxy headers": {"X-Forwarded-For: 1.2.3.4", "x-forwarded-anything: 1", "Forwarded: for=1", "X-Real-IP: 1"},
		"hop by hop":    {"Connection: Upgrade, X-Mine", "X-Mine: 1", "Upgrade: websocket", "TE: trailers", "Keep-Alive: 1", "Proxy-Authorization: x"},
	} {
		for _, value = range []string{"local", ""} {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, lines(append([]string{"GET / HTTP/1.1", "Host: " + host, "Accept: x"}, head...)...))
			if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
				t.Fatal(err)
			}
			got := <-seen
			_ = conn.Close()
			want := http.Header{"Accept": {"x"}}
			if value != "" {
				want["X-Paragon-Owner"] = []string{value}
			}
			if len(got) != len(want) || got.Get("Accept") != "x" || !slices.Equal(got["X-Paragon-Owner"], want["X-Paragon-Owner"]) {
				t.Errorf("%s, value %q: the target sees %v", name, value, got)
			}
		}
	}
}

// A handler may be reached by requests that no server has read.
func TestHeadersThatAreNoneDoNotPass(t *testing.T) {
	b := New(Options{Header: "X-Paragon-Owner", HeaderValue: func(*http.Request) string { return "me" }})
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header = http.Header{"x-paragon-owner": {"a"}, "X-Paragon-Owner ": {"b"}, "X-A\r\nX-Paragon-Owner": {"c"},
		"X-B": {"1\r\nX-Paragon-Owner: d"}, "": {"e"}, "X-C": {"2"}}
	want := "POST / HTTP/1.1\r\nHost: example.com\r\nX-C: 2\r\nX-Paragon-Owner: me\r\nContent-Length: 0\r\n\r\n"
	if got := string(b.head(nil, r, 0, "")); got != want {
		t.Errorf("%q goes out", got)
	}
	spelled := "x-paragon-owner" // as no server hands it over, but a handler could
	r.Header = http.Header{spelled: {"a"}, "X-C": {"2"}}
	if h := b.overwritten(r).Header; len(h) != 2 || h.Get("X-Paragon-Owner") != "me" || len(h[spelled]) != 0 {
		t.Errorf("a handler sees %v", h)
	}
}

// unread fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }
func (u unread) Close() error             { return nil }

func TestTooLargeIsSaidBeforeReading(t *testing.T) {
	b := New(Options{MaxBody: func(r *http.Request) int64 { return 10 }})
	b.SetTargets([]Target{{ID: "a", Addr: "unix:none"}})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", unread{t})
	r.ContentLength = 11
	b.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || b.Counts().Refused != 1 {
		t.Errorf("status %d, %+v", w.Code, b.Counts())
	}
}

// Who refuses may read the body from its beginning.
func TestBodiesThatAreNotForwarded(t *testing.T) {
	for _, tc := range []struct {
		name    string
		sent    int
		length  int64
		limit   int64
		maxHeld int64
		status  int
	}{
		{"too long in chunks", 9000, -1, 8999, 1 << 20, 413},
		{"too long by far", 100_000, -1, 10, 1 << 20, 413},
		{"ends too early", 9000, 9001, 10_000, 1 << 20, 400},
		{"no room", 9000, 9000, 10_000, 9000, 503},
		{"no room for more", 9000, -1, 10_000, 4096, 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []byte
			held := &testRoom{most: tc.maxHeld}
			b := New(Options{MaxBody: func(*http.Request) int64 { return tc.limit }, Room: held, HeaderValue: func(*http.Request) string { return "ann" },
				Refuse: func(w http.ResponseWriter, r *http.Request, status int) {
					got, _ = io.ReadAll(r.Body)
					w.WriteHeader(status)
				}})
			b.SetTargets([]Target{{ID: "a", Addr: "unix:none"}})
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(pattern(tc.sent)))
			r.ContentLength = tc.length
			b.ServeHTTP(w, r)
			if w.Code != tc.status || (w.Header().Get("Retry-After") != "") != (tc.status == 503) {
				t.Errorf("status %d, header %v", w.Code, w.Header())
			}
			if !bytes.Equal(got, pattern(tc.sent)) {
				t.Errorf("%d of %d bytes are left to read", len(got), tc.sent)
			}
			if n := held.all(); n != 0 {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

// A body is counted for the owner whose request it is: who has no room left takes none
// of another's.
func TestBodiesTakeTheirOwnersRoom(t *testing.T) {
	a := startWorker(t, "a", echo)
	held := &testRoom{most: 8192, of: map[string]int64{"greedy": 8000}}
	_, server := front(t, Options{Room: held, HeaderValue: func(r *http.Request) string { return r.Header.Get("Who") }}, a.target())
	for who, status := range map[string]int{"greedy": http.StatusServiceUnavailable, "modest": http.StatusOK} {
		if got := post(t, server, pattern(1000), http.Header{"Who": {who}}); got.status != status {
			t.Errorf("%s got %d, want %d", who, got.status, status)
		}
	}
	server.Close()
	if n := held.all(); n != 8000 {
		t.Errorf("%d bytes are held", n)
	}
}

func TestSlowBodyIsCutOff(t *testing.T) {
	b, server := front(t, Options{BodyTime: time.Millisecond}, Target{ID: "a", Addr: "unix:none"})
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, lines("POST / HTTP/1.1", "Host: x", "Content-Length: 5")+"1234")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, error %v", resp, err)
	}
	settled(t, b, server)
}

// A target that answers without reading the body has answered.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	b, server := front(t, Options{Repeats: 1}, a.target())
	for range 5 {
		if got := post(t, server, pattern(4<<20), nil); got.status != http.StatusUnauthorized {
			t.Fatalf("status %d", got.status)
		}
	}
	if s := b.Status()[0]; s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhoAnswersWithoutATarget(t *testing.T) {
	gone := Target{ID: "gone", Addr: "unix:/nowhere"}
	sick := Target{ID: "sick", Handler: says("sick"), Unhealthy: true}
	for _, tc := range []struct {
		name    string
		options Options
		targets []Target
		status  int
		body    string
	}{
		{"empty group", Options{}, nil, 503, `{"message":"Service Unavailable"}`},
		{"empty group, fail open", Options{FailOpen: true}, nil, 503, `{"message":"Service Unavailable"}`},
		{"none healthy", Options{}, []Target{sick}, 503, `{"message":"Service Unavailable"}`},
		{"none healthy, fail open", Options{FailOpen: true}, []Target{sick}, 200, "sick"},
		{"one healthy, fail open", Options{FailOpen: true}, []Target{sick, {ID: "well", Handler: says("well")}}, 200, "well"},
		{"connection fails", Options{}, []Target{gone}, 502, `{"message":"Bad Gateway"}`},
		{"a function panics", Options{}, []Target{{ID: "f", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") })}}, 502, `{"message":"Bad Gateway"}`},
		{"fallback, empty group", Options{Fallback: echo}, nil, 200, "body"},
		{"fallback, none healthy", Options{Fallback: echo}, []Target{sick}, 200, "body"},
		{"fallback, connection fails", Options{Fallback: echo}, []Target{gone}, 200, "body"},
		{"another target", Options{Repeats: 1}, []Target{gone, {ID: "b", Handler: echo}}, 200, "body"},
		{"no more repeats", Options{Repeats: 1, Fallback: echo}, []Target{gone, {ID: "2", Addr: "unix:/no"}, {ID: "b", Handler: says("b")}}, 200, "body"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := New(tc.options)
			b.SetTargets(tc.targets)
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body")))
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestFallbackSeesTheOverwrittenHeader(t *testing.T) {
	for _, targets := range [][]Target{nil, {{ID: "gone", Addr: "unix:/nowhere"}}} {
		b := New(Options{Header: "X-Paragon-Owner", HeaderValue: func(r *http.Request) string { return r.Header.Get("Authorization") },
			Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, strings.Join(r.Header["X-Paragon-Owner"], ","))
			})})
		b.SetTargets(targets)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		r.Header = http.Header{"X-Paragon-Owner": {"thief"}, "Authorization": {"me"}}
		if b.ServeHTTP(w, r); w.Body.String() != "me" {
			t.Errorf("%d targets: the owner is %q", len(targets), w.Body)
		}
		if r.Header.Get("X-Paragon-Owner") != "thief" {
			t.Error("the caller's request was changed")
		}
	}
}

func TestFunctionsHaveLimits(t *testing.T) {
	const limit = 1 << 20
	for _, tc := range []struct{ n, status int }{{limit, 200}, {limit + 1, 413}} {
		b := New(Options{})
		b.SetTargets([]Target{{ID: "f", Handler: echo, MaxIn: limit}})
		w := httptest.NewRecorder()
		if b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(pattern(tc.n)))); w.Code != tc.status {
			t.Errorf("%d bytes in: %d", tc.n, w.Code)
		}
	}
	for _, tc := range []struct{ n, status int }{{limit, 200}, {limit + 1, 502}} {
		b := New(Options{})
		b.SetTargets([]Target{{ID: "f", Handler: says(string(pattern(tc.n))), MaxOut: limit}})
		w := httptest.NewRecorder()
		if b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != tc.status {
			t.Errorf("%d bytes out: %d", tc.n, w.Code)
		}
	}
}

func TestGatewayTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Timeout: 29 * time.Second, Repeats: 5})
		slow := func(takes time.Duration) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(takes):
				case <-r.Context().Done():
				}
			})
		}
		for _, tc := range []struct {
			takes  time.Duration
			status int
		}{{28 * time.Second, 200}, {30 * time.Second, 504}} {
			b.SetTargets([]Target{{ID: "f", Handler: slow(tc.takes)}})
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != tc.status || tc.status == 504 && w.Body.String() != `{"message":"Service Unavailable"}` {
				t.Errorf("after %v: %d %s", tc.takes, w.Code, w.Body)
			}
		}
	})
}

func TestBalancersCountForThemselves(t *testing.T) {
	one, two := New(Options{}), New(Options{})
	for _, b := range []*Balancer{one, two} {
		b.SetTargets([]Target{{ID: "a", Addr: "unix:a"}})
	}
	defer one.release(one.acquire(t.Context(), "", nil), false)
	if one.Status()[0].Outstanding != 1 || two.Status()[0].Outstanding != 0 {
		t.Errorf("%+v and %+v", one.Status(), two.Status())
	}
}
