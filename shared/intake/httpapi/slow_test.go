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
	"time"

	"github.com/paragon-serving/paragon/docs"
)

// serveSlow is the API on a socket, with little patience for bodies.
func serveSlow(t *testing.T, patience time.Duration) (*stage, *httptest.Server) {
	t.Helper()
	s := newStage(t)
	h, err := New(s.svc, Options{OpenAPI: docs.OpenAPI, Uploads: s.backend, BodyTime: patience})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return s, server
}

// A caller that trickles a body is let go, also where nobody wants the body.
func TestSlowBodyIsCutOff(t *testing.T) {
	s, server := serveSlow(t, 20*time.Millisecond)
	place, err := s.cloud.Blobs.NewUpload(t.Context(), "local", "image/png", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]int{
		"POST /v1/queries": http.StatusBadRequest, "POST /v2/models/fashion/infer": http.StatusBadRequest,
		"POST /v1/uploads": http.StatusBadRequest, "PUT " + place.URL: http.StatusBadRequest, "POST /v1/models": http.StatusMethodNotAllowed,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{", what)
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want || want == http.StatusBadRequest && !strings.Contains(string(body), "too slowly") {
			t.Errorf("%s: %d, %s", what, resp.StatusCode, body)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection stays: %v", what, err)
		}
	}
}

// bounded notes the bounds that a handler puts on the reading of its connection.
type bounded struct {
	*httptest.ResponseRecorder
	bounds []time.Time
}

func (b *bounded) SetReadDeadline(t time.Time) error {
	b.bounds = append(b.bounds, t)
	return nil
}

// The bound is for the body alone: the caller who waits for a result may wait longer.
func TestBoundIsLiftedOnceTheBodyIsThere(t *testing.T) {
	s := newStage(t)
	for path, body := range map[string]string{"/v1/queries?task=fashion": string(picture(t, 9)), "/v1/status": ""} {
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		req := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "image/png")
		w := &bounded{ResponseRecorder: httptest.NewRecorder()}
		s.handler.ServeHTTP(w, req)
		if w.Code >= 300 {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
		if n := len(w.bounds); n > 0 && !w.bounds[n-1].IsZero() || (n > 0) != (body != "") {
			t.Errorf("%s: bounds %v", path, w.bounds)
		}
	}
}
