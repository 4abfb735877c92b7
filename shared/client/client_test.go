package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// dial returns a client of a server whose waits are recorded and not waited.
func dial(t *testing.T, h http.Handler, c client.Config) (*client.Client, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	var waits []time.Duration
	c.Endpoint = server.URL
	c.Sleep = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	cl, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cl, &waits
}

func submission(data string) client.Submission {
	return client.Submission{Task: "fashion", Input: query.Input{ContentType: "image/png", Data: []byte(data)}}
}

func TestSubmitGetCancel(t *testing.T) {
	cl, _ := dial(t, &clienttest.API{}, client.Config{})
	q, err := cl.Submit(t.Context(), submission("a shoe"), client.Options{Wait: 5 * time.Second})
	if err != nil || q.State != query.Succeeded || q.Result == nil {
		t.Fatalf("submit: %+v, %v", q, err)
	}
	again, err := cl.Get(t.Context(), q.ID, 0)
	if err != nil || again.Result.Label != q.Result.Label {
		t.Errorf("get: %+v, %v", again, err)
	}
	var p *client.Problem
	if _, err = cl.Cancel(t.Context(), q.ID); !errors.As(err, &p) || p.Status != http.StatusConflict || p.Kind() != "already-finished" {
		t.Errorf("cancel of a finished query: %v", err)
	}
	if recent, err := cl.Recent(t.Context(), 5); err != nil || len(recent) != 1 || recent[0].ID != q.ID {
		t.Errorf("recent: %+v, %v", recent, err)
	}
}

// A large input goes by an upload, which never sees the token.
func TestSubmitUploadsWhatIsLarge(t *testing.T) {
	cl, _ := dial(t, &clienttest.API{Token: "s3cret"}, client.Config{Token: "s3cret"})
	small, err := cl.Submit(t.Context(), submission(strings.Repeat("x", 700<<10)), client.Options{Wait: time.Second})
	if err != nil || small.Result == nil {
		t.Errorf("200 KB: %+v, %v", small, err)
	}
	large, err := cl.Submit(t.Context(), submission(strings.Repeat("x", 700<<10+1)), client.Options{Wait: time.Second})
	if err != nil || large.Result == nil {
		t.Errorf("a byte more: %+v, %v", large, err)
	}
}

// A submission with a callback is one query however often it is tried, also if it is waited
// for: its key is the same each time.
func TestASubmissionWithACallbackHasAKey(t *testing.T) {
	var keys, callbacks []string
	cl, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s client.Submission
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			t.Error(err)
		}
		keys, callbacks = append(keys, r.Header.Get("Idempotency-Key")), append(callbacks, s.Callback)
		if len(keys) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"id":"q","state":"succeeded"}`)
	}), client.Config{})
	s := submission("a shoe")
	s.Callback = "https://mine.example.com/done"
	if _, err := cl.Submit(t.Context(), s, client.Options{Wait: time.Second}); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0] == "" || keys[1] != keys[0] || callbacks[0] != s.Callback || callbacks[1] != s.Callback {
		t.Errorf("keys %q, callbacks %q", keys, callbacks)
	}
}

func TestAwaitReadsUntilTheEnd(t *testing.T) {
	cl, waits := dial(t, &clienttest.API{}, client.Config{})
	q, err := cl.Submit(t.Context(), submission("a shoe"), client.Options{})
	if err != nil || q.State != query.Accepted {
		t.Fatalf("submit without waiting: %+v, %v", q, err)
	}
	if q, err = cl.Await(t.Context(), q, time.Second); err != nil || q.State != query.Succeeded {
		t.Errorf("await: %+v, %v", q, err)
	}
	if len(*waits) != 1 {
		t.Errorf("%d pauses, want one before the one read", len(*waits))
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	cl, _ := dial(t, &clienttest.API{}, client.Config{})
	q, err := cl.Submit(t.Context(), submission(clienttest.Pends), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := cl.Await(ctx, q, time.Second); !errors.Is(err, context.Canceled) || got.ID != q.ID {
		t.Errorf("await: %+v, %v", got, err)
	}
}

// Retries carry one key where a repeat could take effect twice, wait as the server asks, and end.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name     string
		answers  []int // statuses in order; the last one stays
		attempts int
		tries    int
		fails    bool
		wait     time.Duration
	}{
		{"503 then well", []int{503, 200}, 0, 2, false, 0},
		{"503 then well, waiting", []int{503, 200}, 0, 2, false, time.Second},
		{"429 twice, then well", []int{429, 429, 200}, 0, 3, false, 0},
		{"503 for good", []int{503}, 4, 4, true, 0},
		{"one attempt", []int{503, 200}, 1, 1, true, 0},
		{"500 is not tried again", []int{500, 200}, 0, 1, true, 0},
		{"422 is not tried again", []int{422, 200}, 0, 1, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var keys []string
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
				status := c.answers[min(len(keys), len(c.answers))-1]
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"id":"q1","state":"accepted"}`))
			})
			cl, waits := dial(t, h, client.Config{Attempts: c.attempts})
			_, err := cl.Submit(t.Context(), submission("x"), client.Options{Wait: c.wait})
			if (err != nil) != c.fails || len(keys) != c.tries {
				t.Errorf("%d tries, error %v", len(keys), err)
			}
			for _, k := range keys {
				if k != keys[0] || (k == "") != (c.attempts == 1 || c.wait > 0) {
					t.Errorf("keys %q", keys)
				}
			}
			for _, w := range *waits {
				if w < 2*time.Second {
					t.Errorf("came back after %s, asked to stay away for 2s", w)
				}
			}
		})
	}
}

// A connection that breaks after the request was sent is tried again under the
// same key, so that it is one query.
func TestRetriesABrokenConnection(t *testing.T) {
	var tries atomic.Int64
	api := &clienttest.API{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 1 {
			api.ServeHTTP(httptest.NewRecorder(), r) // taken in, and the answer lost
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	})
	cl, _ := dial(t, h, client.Config{})
	if _, err := cl.Submit(t.Context(), submission("x"), client.Options{Wait: time.Second}); err != nil {
		t.Fatal(err)
	}
	if recent, _ := cl.Recent(t.Context(), 10); len(recent) != 1 {
		t.Errorf("%d queries were made of one", len(recent))
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(client.Config{Endpoint: endpoint, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	var gone *client.Unreachable
	if _, err = cl.Status(t.Context()); !errors.As(err, &gone) || err.Error() != "nothing answers at "+endpoint {
		t.Errorf("error %v", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		want                    string
	}{
		{"another server", "text/html", "<html>", 200, "is this a Paragon server?"},
		{"a proxy's error", "text/html", "<html>", 502, "the server answered 502 Bad Gateway without saying why"},
		{"a problem that is no JSON", "application/problem+json", "{", 500, "without saying why"},
		{"a redirect is not followed", "text/html", "", 302, "302 Found"},
		{"too much", "application/json", `"` + strings.Repeat("x", 17<<20), 200, "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}), client.Config{Attempts: 1})
			if _, err := cl.Status(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:8080", "ftp://host", "http://", "http://a b"} {
		if _, err := client.New(client.Config{Endpoint: endpoint}); err == nil {
			t.Errorf("endpoint %q was taken", endpoint)
		}
	}
}

func TestToken(t *testing.T) {
	cl, _ := dial(t, &clienttest.API{Token: "s3cret"}, client.Config{})
	var p *client.Problem
	if _, err := cl.Models(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnauthorized || p.Field != "Authorization" {
		t.Errorf("without a token: %v", err)
	}
	cl, _ = dial(t, &clienttest.API{Token: "s3cret"}, client.Config{Token: "s3cret"})
	if models, err := cl.Models(t.Context()); err != nil || len(models) != 3 {
		t.Errorf("with a token: %d models, %v", len(models), err)
	}
}

// What stands before a server answers in words of its own.
func TestAGatewaysMessageIsReported(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"The security token included in the request is expired"}`: "token included in the request is expired",
		`{"message":"Forbidden"}`: "403 Forbidden without saying why",
		`<html>`:                  "without saying why",
	} {
		cl, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(body))
		}), client.Config{})
		if _, err := cl.Models(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", body, err, want)
		}
	}
}
