package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// span is what a line of traces reports one span.
type span struct {
	TraceID      string `json:"traceId"`
	SpanID       string `json:"spanId"`
	ParentSpanID string `json:"parentSpanId"`
	Name         string `json:"name"`
	Attributes   []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
	part string // of Paragon, which wrote it
}

// spansIn reads a file of traces.
func spansIn(t *testing.T, path string) (out []span) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var doc struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for _, r := range doc.ResourceSpans {
			for _, s := range r.ScopeSpans[0].Spans {
				for _, a := range r.Resource.Attributes {
					if a.Key == "service.name" {
						s.part = a.Value.StringValue
					}
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// way lists the spans of a query's trace as part:span, in the order from the root down.
func way(t *testing.T, spans []span, id string) []string {
	t.Helper()
	trace := ""
	for _, s := range spans {
		for _, a := range s.Attributes {
			if s.Name == "accept" && a.Key == "paragon.query" && a.Value.StringValue == id {
				trace = s.TraceID
			}
		}
	}
	known, out := map[string]bool{"": true}, []string{}
	for _, s := range spans {
		if s.TraceID == trace {
			known[s.SpanID] = true
		}
	}
	for _, s := range spans {
		if s.TraceID != trace {
			continue
		}
		if !known[s.ParentSpanID] {
			t.Errorf("%s of %s has a parent that nobody knows", s.Name, s.part)
		}
		out = append(out, strings.TrimPrefix(s.part, "paragon-")+":"+s.Name)
	}
	slices.Sort(out)
	return out
}

// One query is one trace, from the API to whichever process answers it.
func TestAQueryIsOneTraceThroughAllProcesses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "traces.jsonl")
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=5", "--traces="+file)
	unaided := s.servedBy(strict(pictures(t)[0]), query.OnFunction)
	overflowed := s.one(strict(pictures(t)[0]))
	s.workersReady(1)
	served := s.one(strict(pictures(t)[0]))
	direct := s.servedBy(strict(pictures(t)[0]), query.OnWorker)
	s.stop()
	spans := spansIn(t, file)
	for id, want := range map[string][]string{
		direct:    {"worker:accept", "worker:run", "worker:select", "worker:wait"},
		served.ID: {"worker:accept", "worker:finish", "worker:place", "worker:receive", "worker:run", "worker:select", "worker:send", "worker:wait"},
		unaided:   {"inference:infer", "machine:accept", "machine:invoke", "machine:place", "machine:select"},
		overflowed.ID: {"inference:infer", "machine:accept", "machine:dispatch", "machine:finish", "machine:invoke", "machine:place",
			"machine:select", "machine:send"},
	} {
		if got := way(t, spans, id); id != "" && !slices.Equal(got, want) {
			t.Errorf("query %s went %v, want %v", id, got, want)
		}
	}
}

// servedBy submits a query again and again until one is answered by that kind of
// runner, and returns its id.
func (s *stage) servedBy(sub client.Submission, kind query.RunnerKind) string {
	s.t.Helper()
	id := ""
	s.until("an answer by a "+string(kind), func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		q, err := s.Submit(ctx, sub, client.Options{Wait: 20 * time.Second})
		if err != nil {
			s.t.Fatal(err)
		}
		q = s.finish(q)
		id = q.ID
		return q.ServedBy != nil && q.ServedBy.Kind == kind
	})
	return id
}
