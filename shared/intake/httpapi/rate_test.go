package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.ErrUnexpectedEOF
}

// A request of a caller who is at its rate is refused unread, and one that a process
// before this one refuses.
func TestARequestAboveItsRateIsRefusedUnread(t *testing.T) {
	s := newStage(t)
	s.tune(func(set *settings.Settings) { set.OwnerRate = 0.001 })
	ask := func(path string, change func(*http.Request) *http.Request) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, path, unread{t})
		r.Host = "localhost"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, change(r))
		return w
	}
	as := func(owner string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request { return OwnedBy(r, owner) }
	}
	if got := s.submit(t, asking(t, "")); got.StatusCode != http.StatusAccepted { // of the owner local
		t.Fatalf("%+v", got)
	}
	for _, path := range []string{"/v1/queries", "/v2/models/digits/infer"} {
		if got := ask(path, as("local")); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v", path, got.Code, got.Header())
		}
		before := func(r *http.Request) *http.Request { return RefusedFor(as("other")(r), s.svc.OverRate("local")) }
		if got := ask(path, before); got.Code != http.StatusTooManyRequests {
			t.Errorf("%s, refused before: %d", path, got.Code)
		}
	}
	if err := errors.Join(s.svc.AdmitRequest("third"), s.svc.OverRate("third")); err != nil {
		t.Errorf("a caller within its rate: %v", err)
	}
	if s.svc.AdmitRequest("third") == nil {
		t.Error("a second request within a thousand seconds is admitted")
	}
}
