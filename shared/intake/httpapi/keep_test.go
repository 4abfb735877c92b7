package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
	tensors := func(items, shape, data string) []byte {
		return []byte(`{"parameters":{"latency_ms":2000,"class":"` + items + `"},"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + data + `}]}`)
	}
	one, relaxed := asking(t, strict), asking(t, `,"class":"relaxed","constraints":{"latency_ms":9000}`)
	const json, never = "application/json", -1 * time.Second
	early, late := 2*time.Second, 9*time.Second // the bounds, above the moments
	for _, tc := range []struct {
		name, path string
		body       []byte
		header     []string
		below      time.Duration // the bound that the moment is below, but not below half of it
	}{
		{"JSON", "/v1/queries", []byte(one), []string{"Content-Type", json, "Prefer", "wait=20"}, early},
		{"waited for less", "/v1/queries", []byte(one), []string{"Content-Type", json, "Prefer", "wait=1"}, early},
		{"relaxed", "/v1/queries", []byte(relaxed), []string{"Content-Type", json, "Prefer", "wait=20"}, late},
		{"a list", "/v1/queries", []byte("[" + relaxed + "," + relaxed + "]"), []string{"Content-Type", json, "Prefer", "wait=20"}, late},
		{"a list with a strict item", "/v1/queries", []byte("[" + relaxed + "," + one + ",7]"), []string{"Content-Type", json, "Prefer", "wait=20"}, early},
		{"a list of nonsense", "/v1/queries", []byte("[7]"), []string{"Content-Type", json, "Prefer", "wait=20"}, never},
		{"a picture", "/v1/queries?task=fashion&class=strict&latency_ms=2000", picture(t, 7), []string{"Content-Type", "image/png", "Prefer", "wait=20"}, early},
		{"nonsense", "/v1/queries", []byte("{"), []string{"Content-Type", json, "Prefer", "wait=20"}, never},
		{"tensors", "/v2/models/good/infer", tensors("strict", shape, sixteen()), []string{"Content-Type", json}, early},
		{"a batch", "/v2/models/good/infer", tensors("relaxed", `"shape":[2,1,4,4]`, strings.Replace(sixteen()+sixteen(), "][", ",", 1)), []string{"Content-Type", json}, early},
		{"tensors of a version", "/v2/models/good/versions/1/infer", tensors("strict", shape, sixteen()), []string{"Content-Type", json}, early},
		{"nonsense of /v2", "/v2/models/good/infer", []byte("{}"), []string{"Content-Type", json}, never},
		{"a short path", "/v2/models", []byte("{}"), nil, never},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tc.path, bytes.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(tc.header); i += 2 {
			r.Header.Set(tc.header[i], tc.header[i+1])
		}
		after, ok := KeepAfter(s.svc, r)
		if ok != (tc.below > 0) || ok && (after < tc.below/2 || after >= tc.below) {
			t.Errorf("%s: after %v, %v", tc.name, after, ok)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/queries", strings.NewReader(one))
	r.Header.Set("Content-Type", json)
	if after, ok := KeepAfter(s.svc, r); !ok || after != 0 {
		t.Errorf("what nobody waits for: after %v, %v", after, ok)
	}
}
