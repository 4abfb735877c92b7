// Package tracetest keeps spans in memory, for tests to look at.
package tracetest

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Recorder is a tracer with the spans that it made.
type Recorder struct {
	*tracing.Tracer
	spans *tracetest.InMemoryExporter
}

// New returns an empty recorder.
func New() *Recorder {
	spans := tracetest.NewInMemoryExporter()
	return &Recorder{tracing.New(trace.NewTracerProvider(trace.WithSyncer(spans))), spans}
}

// Traces reports how many traces the spans are of.
func (r *Recorder) Traces() int {
	ids := map[string]bool{}
	for _, s := range r.spans.GetSpans() {
		ids[s.SpanContext.TraceID().String()] = true
	}
	return len(ids)
}

// Tree writes the spans as a tree, in the order of their beginnings: "accept
// (select place store(receive run))". One that failed has its code after it.
func (r *Recorder) Tree() string {
	spans := r.spans.GetSpans()
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	known := map[string]bool{}
	for _, s := range spans {
		known[s.SpanContext.SpanID().String()] = true
	}
	var roots []tracetest.SpanStub
	for _, s := range spans {
		if !known[s.Parent.SpanID().String()] {
			roots = append(roots, s)
		}
	}
	return write(roots, spans)
}

func write(level, all []tracetest.SpanStub) string {
	var out []string
	for _, s := range level {
		name := s.Name
		if s.Status.Description != "" {
			name += ":" + s.Status.Description
		}
		var below []tracetest.SpanStub
		for _, c := range all {
			if c.Parent.SpanID() == s.SpanContext.SpanID() {
				below = append(below, c)
			}
		}
		if len(below) > 0 {
			name += "(" + write(below, all) + ")"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// Contains reports whether a text is anywhere in what the spans say.
func (r *Recorder) Contains(text string) bool {
	return strings.Contains(fmt.Sprintf("%+v", r.spans.GetSpans()), text)
}

// Attribute returns what the first span of a name says by an attribute.
func (r *Recorder) Attribute(span, name string) string {
	for _, s := range r.spans.GetSpans() {
		for _, a := range s.Attributes {
			if s.Name == span && string(a.Key) == "paragon."+name {
				return a.Value.String()
			}
		}
	}
	return ""
}
