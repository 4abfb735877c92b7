package clienttest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// The fake answers as the API's document says: what is tested against the fake
// would work with the API.
func TestTheFakeKeepsToTheDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	api := &clienttest.API{}
	for _, c := range []struct {
		name, method, path, data, wait string
		status                         int
	}{
		{"answered", "POST", "/v1/queries", "a shoe", "wait=5", 200},
		{"accepted", "POST", "/v1/queries", "a coat", "", 202},
		{"pending", "POST", "/v1/queries", clienttest.Pends, "wait=5", 202},
		{"failed", "POST", "/v1/queries", clienttest.Fails, "wait=5", 200},
		{"declined", "POST", "/v1/queries", clienttest.Declined, "wait=5", 200},
		{"refused", "POST", "/v1/queries", clienttest.Refused, "wait=5", 422},
		{"busy", "POST", "/v1/queries", clienttest.Busy, "wait=5", 503},
		{"upload", "POST", "/v1/uploads", "-", "", 201},
		{"unknown", "GET", "/v1/queries/nosuch", "", "", 404},
		{"recent", "GET", "/v1/queries?limit=20", "", "", 200},
		{"models", "GET", "/v1/models", "", "", 200},
		{"status", "GET", "/v1/status", "", "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, c.method, c.path, c.data, c.wait)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			holds(t, router, r, w.Result())
		})
	}
}

func request(t *testing.T, method, path, data, wait string) *http.Request {
	t.Helper()
	var body io.Reader
	if data != "" {
		raw, err := json.Marshal(client.Submission{Task: "fashion", Input: query.Input{ContentType: "image/png", Data: []byte(data)}})
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("Content-Type", "application/json")
	if wait != "" {
		r.Header.Set("Prefer", wait)
	}
	return r
}

// holds checks an answer against the document.
func holds(t *testing.T, router routers.Router, r *http.Request, got *http.Response) {
	t.Helper()
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 got.StatusCode, Header: got.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), in.SetBodyBytes(body)); err != nil {
		t.Errorf("%v\n%s", err, body)
	}
}
