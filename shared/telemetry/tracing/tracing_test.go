package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// environment is an environment for a test.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// warnings is a log and the lines in it.
func warnings() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func TestOffWithoutADestination(t *testing.T) {
	const to = "http://127.0.0.1:4318"
	for _, env := range []environment{
		nil, {"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_SDK_DISABLED": "true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_SDK_DISABLED": " TRUE"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_SDK_DISABLED": "True", File: "/tmp/never"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_TRACES_EXPORTER": "None"},
	} {
		log, lines := warnings()
		s := Open(env.get, "test", log)
		if s != nil || lines.Len() > 0 {
			t.Errorf("%v: %v, logged %s", env, s, lines)
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

// What cannot be used is left out with one line about it, and spans go where the
// rest says.
func TestFaultsAreLeftOut(t *testing.T) {
	const to = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, c := range map[string]struct {
		env environment
		on  bool
		of  string // the variable that the line names
	}{
		"an address without a scheme": {environment{to: "collector:4318"}, false, to},
		"an address of another":       {environment{to: "unix:///tmp/x"}, false, to},
		"the address of traces alone": {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c:4318"}, true, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		"a header without a value":    {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key:secret"}, true, "OTEL_EXPORTER_OTLP_HEADERS"},
		"a header that is cut":        {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "key=secret%2"}, true, "OTEL_EXPORTER_OTLP_HEADERS"},
		"a time with a unit":          {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, true, "OTEL_EXPORTER_OTLP_TIMEOUT"},
		"no time":                     {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0"}, true, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"},
		"endless time":                {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "9223372036854775807"}, true, "OTEL_EXPORTER_OTLP_TIMEOUT"},
		"an attribute without value":  {environment{to: "http://c:4318", "OTEL_RESOURCE_ATTRIBUTES": "team"}, true, "OTEL_RESOURCE_ATTRIBUTES"},
		"a protocol not spoken":       {environment{to: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "gRPC"}, false, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"the other one over HTTP":     {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"a protocol of traces":        {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, false, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"},
		"a protocol nobody knows":     {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, true, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"neither true nor false":      {environment{to: "http://c:4318", "OTEL_SDK_DISABLED": "yes"}, true, "OTEL_SDK_DISABLED"},
		"a file that cannot be":       {environment{File: "/no/such/folder/traces"}, false, "/no/such/folder"},
		"nothing wrong":               {environment{to: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "HTTP/JSON", "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b,", "OTEL_SDK_DISABLED": "False"}, true, ""},
	} {
		log, lines := warnings()
		s := Open(c.env.get, "test", log)
		if got := strings.Count(lines.String(), "\n"); (s != nil) != c.on || c.of != "" && got != 1 || c.of == "" && got != 0 || !strings.Contains(lines.String(), c.of) {
			t.Errorf("%s: on %v, logged %s", name, s != nil, lines)
		}
		if strings.Contains(lines.String(), "secret") {
			t.Errorf("%s: the log has a secret: %s", name, lines)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Children are given what can be used alone: they have nothing to report again.
func TestChildrenTraceAsTheirParent(t *testing.T) {
	for _, c := range []struct {
		env  environment
		want []string
	}{
		{environment{}, []string{"OTEL_SDK_DISABLED=true"}},
		{environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []string{"OTEL_SDK_DISABLED=true"}},
		{environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "PATH": "/bin"},
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", File + "="}},
		{environment{File: "/tmp/traces", "OTEL_RESOURCE_ATTRIBUTES": "team"}, []string{File + "=/tmp/traces"}},
	} {
		var pairs []string
		for name, value := range c.env {
			if name != File {
				pairs = append(pairs, name+"="+value)
			}
		}
		got := ChildEnv(c.env.get, pairs)
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: children have %v, want %v", c.env, got, c.want)
		}
		again := environment{}
		for _, pair := range got {
			name, value, _ := strings.Cut(pair, "=")
			again[name] = value
		}
		if _, faults := readEnvironment(again.get, ""); len(faults) > 0 {
			t.Errorf("%v: children would report %v", c.env, faults)
		}
	}
}

func TestAttributesGoWithTheSpans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces")
	env := environment{File: path, "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b", "OTEL_SERVICE_NAME": "mine"}
	s := Open(env.get, "api", slog.Default())
	_, span := s.Tracing().Root(t.Context(), "accept")
	span.End()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(raw), `{"key":"team","value":{"stringValue":"a b"}}`) || !strings.Contains(string(raw), `"stringValue":"mine"`) {
		t.Errorf("wrote %s, error %v", raw, err)
	}
}

// A query that is followed from one process to another is one trace.
func linked(t *testing.T, first, second *Source) {
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
		s := Open(env.get, part, slog.Default())
		both = append(both, s)
	}
	linked(t, both[0], both[1])
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
		s := Open(env.get, part, slog.Default())
		both = append(both, s)
	}
	linked(t, both[0], both[1])
	check(t, <-got, <-got)
}

// What is not sampled is not carried, and nobody begins a trace in its place.
func TestSampling(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
	path := filepath.Join(t.TempDir(), "traces")
	s := Open(environment{File: path}.get, "api", slog.Default())
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
