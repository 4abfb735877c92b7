package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// noFunctions refuse everything.
type noFunctions struct{}

func (noFunctions) Invoke(context.Context, query.Message) inference.Invoked {
	return inference.Invoked{Thrown: inference.Throttled}
}

// A balancer learns of every form of a request until when it may be held.
func TestKeepAfterReadsEveryForm(t *testing.T) {
	s := newStageWith(t, func(c *intake.Config, _ *Options) { c.Functions = noFunctions{} })
	const strict = `,"class":"strict","constraints":{"latency_ms":2000}`
	tensors := `{"parameters":{"latency_ms":2000,"class":"strict"},"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + sixteen() + `}]}`
	one := asking(t, strict)
	for _, tc := range []struct {
		name, path string
		body       []byte
		header     []string
		want       bool
	}{
		{"JSON", "/v1/queries", []byte(one), []string{"Content-Type", "application/json", "Prefer", "wait=5"}, true},
		{"not held", "/v1/queries", []byte(one), []string{"Content-Type", "application/json"}, false},
		{"relaxed", "/v1/queries", []byte(asking(t, `,"class":"relaxed"`)), []string{"Content-Type", "application/json", "Prefer", "wait=5"}, false},
		{"a list", "/v1/queries", []byte("[" + one + "]"), []string{"Content-Type", "application/json", "Prefer", "wait=5"}, false},
		{"a picture", "/v1/queries?task=fashion&class=strict&latency_ms=2000", picture(t, 7), []string{"Content-Type", "image/png", "Prefer", "wait=5"}, true},
		{"nonsense", "/v1/queries", []byte("{"), []string{"Content-Type", "application/json", "Prefer", "wait=5"}, false},
		{"tensors", "/v2/models/good/infer", []byte(tensors), []string{"Content-Type", "application/json"}, true},
		{"tensors of a version", "/v2/models/good/versions/1/infer", []byte(tensors), []string{"Content-Type", "application/json"}, true},
		{"nonsense of /v2", "/v2/models/good/infer", []byte("{}"), []string{"Content-Type", "application/json"}, false},
		{"a short path", "/v2/models", []byte("{}"), nil, false},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tc.path, bytes.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(tc.header); i += 2 {
			r.Header.Set(tc.header[i], tc.header[i+1])
		}
		after, ok := KeepAfter(s.svc, r)
		if ok != tc.want || ok && (after <= 0 || after.Seconds() >= 2) {
			t.Errorf("%s: after %v, %v", tc.name, after, ok)
		}
	}
}
