package tracing

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paragon/shared/core/query"
)

// environment is an environment for a test.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

func TestOffUnlessToldWhere(t *testing.T) {
	for _, env := range []environment{nil, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}} {
		s, err := Open(t.Context(), env.get, "test")
		if err != nil || s != nil {
			t.Errorf("%v: %v, error %v", env, s, err)
		}
		tracer := s.Tracing()
		ctx, span := tracer.Root(t.Context(), "accept")
		if tracer != nil || ctx != t.Context() || tracer.Carry(ctx) != "" || tracer.Continue(ctx, "00-1-1-01") != ctx {
			t.Error("tracing that is off traces")
		}
		span.Query(query.Message{})
		span.Fail("nothing")
		span.End()
		s.Flush(t.Context())
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOffCostsNothing(t *testing.T) {
	var tracer *Tracer
	m := query.Message{ID: "q", Model: "m"}
	allocs := testing.AllocsPerRun(100, func() {
		ctx, span := tracer.Root(context.Background(), "accept")
		_, child := tracer.Child(tracer.Continue(ctx, m.Trace), "select")
		child.Query(m)
		child.End()
		m.Trace = tracer.Carry(ctx)
		span.End()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestEnvironmentIsChecked(t *testing.T) {
	for name, env := range map[string]environment{
		"OTEL_EXPORTER_OTLP_ENDPOINT": {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
		"OTEL_EXPORTER_OTLP_HEADERS":  {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key:secret"},
		"OTEL_EXPORTER_OTLP_TIMEOUT":  {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
		"file for traces":             {File: "/no/such/folder/traces"},
	} {
		_, err := Open(t.Context(), env.get, "test")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: error %v, want one of %s", env, err, name)
		}
	}
}

// A query that is followed from one process to another is one trace.
func follow(t *testing.T, first, second *Source) {
	t.Helper()
	ctx, accept := first.Tracing().Root(t.Context(), "accept")
	accept.Query(query.Message{ID: "q1", Task: "fashion", Model: "mlp", Class: query.Strict})
	carried := first.Tracing().Carry(ctx)
	accept.End()
	_, run := second.Tracing().Child(second.Tracing().Continue(t.Context(), carried), "run")
	run.Count("batch", 3)
	run.Fail("model_fault")
	run.End()
	for _, s := range []*Source{first, second} {
		s.Flush(t.Context())
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// check holds documents to the one trace that they are of.
func check(t *testing.T, docs ...[]byte) {
	t.Helper()
	var spans []oneSpan
	var parts []string
	for _, raw := range docs {
		var d document
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		for _, r := range d.ResourceSpans {
			spans = append(spans, r.ScopeSpans[0].Spans...)
			for _, a := range r.Resource.Attributes {
				if a.Key == "service.name" {
					parts = append(parts, a.Value["stringValue"].(string))
				}
			}
		}
	}
	if len(spans) != 2 || strings.Join(parts, " ") != "paragon-api paragon-worker" {
		t.Fatalf("spans %+v of %v", spans, parts)
	}
	accept, run := spans[0], spans[1]
	if accept.Name != "accept" || run.Name != "run" || len(accept.TraceID) != 32 || run.TraceID != accept.TraceID || run.ParentID != accept.SpanID || accept.ParentID != "" {
		t.Errorf("accept %+v, run %+v", accept, run)
	}
	if run.Status.Code != failed || run.Attributes[0].Value["intValue"] != "3" || accept.Attributes[0].Value["stringValue"] != "q1" {
		t.Errorf("accept %+v, run %+v", accept, run)
	}
}

func TestProcessesShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces")
	env := environment{File: path}
	var both []*Source
	for _, part := range []string{"api", "worker"} {
		s, err := Open(t.Context(), env.get, part)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, s)
	}
	follow(t, both[0], both[1])
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	check(t, []byte(lines[0]), []byte(lines[1]))
}

func TestOverHTTP(t *testing.T) {
	got := make(chan []byte, 9)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Api-Key") != "a b" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		raw, _ := io.ReadAll(r.Body)
		got <- raw
	}))
	defer server.Close()
	env := environment{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL + "/", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,x=1"}
	var both []*Source
	for _, part := range []string{"api", "worker"} {
		s, err := Open(t.Context(), env.get, part)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, s)
	}
	follow(t, both[0], both[1])
	check(t, <-got, <-got)
}

// What is not sampled is not carried, and nobody begins a trace in its place.
func TestSampling(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
	path := filepath.Join(t.TempDir(), "traces")
	s, err := Open(t.Context(), environment{File: path}.get, "api")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := s.Tracing().Root(t.Context(), "accept")
	if carried := s.Tracing().Carry(ctx); carried != "" {
		t.Errorf("carried %q", carried)
	}
	_, child := s.Tracing().Child(ctx, "select")
	child.End()
	_, orphan := s.Tracing().Child(s.Tracing().Continue(t.Context(), "nonsense"), "run")
	orphan.End()
	span.End()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || len(raw) != 0 {
		t.Errorf("wrote %s, error %v", raw, err)
	}
}
