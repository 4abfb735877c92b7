package httpapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// inMemory is a body that is there already, and fails the caller who reads it.
type inMemory []byte

func (b inMemory) Whole() []byte          { return b }
func (inMemory) Read([]byte) (int, error) { return 0, errors.New("read") }
func (inMemory) Close() error             { return nil }

// A body that is in memory is used in place, within the same limits as another.
func TestBodiesInMemoryAreUsedInPlace(t *testing.T) {
	for _, tc := range []struct {
		body, want string
	}{{"12345", ""}, {"123456", "too large"}, {"", "no-body"}} {
		for name, body := range map[string]any{"in memory": inMemory(tc.body), "sent": nil} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
			if in, ok := body.(inMemory); ok {
				r.Body = in
			}
			got, err := readBody(httptest.NewRecorder(), r, 5)
			if (err == nil) != (tc.want == "") || err == nil && string(got) != tc.body || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q %s: %q, error %v", tc.body, name, got, err)
			}
			if in, ok := body.(inMemory); ok && err == nil && &got[0] != &in[0] {
				t.Errorf("%q was copied", tc.body)
			}
		}
	}
}
