package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestFeedback(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	q := s.submit(t, asking(t, ""), "Prefer", "wait=5").query(t)
	if q.Result == nil {
		t.Fatalf("no answer: %+v", q)
	}
	path := "/v1/queries/" + q.ID + "/feedback"
	for _, tt := range []struct {
		name, path, body string
		status           int
		kind             string
	}{
		{"neither", path, `{}`, 400, "bad-field"},
		{"both", path, `{"correct": true, "label": "Bag"}`, 400, "bad-field"},
		{"not a boolean", path, `{"correct": "yes"}`, 400, "bad-field"},
		{"unknown field", path, `{"stars": 5}`, 400, "unknown-field"},
		{"no JSON", path, `{`, 400, "bad-json"},
		{"no such label", path, `{"label": "cat"}`, 422, "unknown-label"},
		{"no such query", "/v1/queries/qnone/feedback", `{"correct": true}`, 404, "not-found"},
		{"counted", path, `{"label": "Bag"}`, 204, ""},
		{"a second vote", path, `{"correct": false}`, 409, "already-voted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.do(t, http.MethodPost, tt.path, []byte(tt.body), "Content-Type", "application/json")
			if got.StatusCode != tt.status || !strings.Contains(string(got.body), tt.kind) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
		})
	}
}
