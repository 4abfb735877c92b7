// Package tracing follows a query through all processes that have a hand in it,
// and the controller through a tick, as OpenTelemetry spans. The trace travels
// in the message (W3C traceparent), so that one query is one trace. A span has
// ids, names and classes, and nothing that a caller sent.
//
// A nil *Tracer does nothing and costs next to nothing: tracing is off.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Tracer begins spans.
type Tracer struct{ to trace.Tracer }

// New returns a tracer whose spans go to a provider.
func New(p trace.TracerProvider) *Tracer { return &Tracer{p.Tracer("paragon")} }

// Root begins a span that may be a trace's first: sampling is decided here,
// unless the caller of ctx decided it.
func (t *Tracer) Root(ctx context.Context, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.to.Start(ctx, name)
	return ctx, Span{s}
}

// Child begins a span of a trace that is followed; without one there is none.
func (t *Tracer) Child(ctx context.Context, name string) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, Span{}
	}
	return t.Root(ctx, name)
}

// header is where a carrier has the trace.
const header = "traceparent"

// Continue returns ctx as one that follows the trace that was carried here;
// ctx itself when none was, or what was carried is no traceparent.
func (t *Tracer) Continue(ctx context.Context, carried string) context.Context {
	if t == nil || carried == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{header: carried})
}

// Carry reports what another process needs to follow ctx's trace; nothing when it
// is not sampled.
func (t *Tracer) Carry(ctx context.Context) string {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[header]
}

// Span is a piece of work under way. The zero value is none.
type Span struct{ s trace.Span }

// On reports whether there is a span.
func (s Span) On() bool { return s.s != nil }

// End ends it.
func (s Span) End() {
	if s.s != nil {
		s.s.End()
	}
}

// Ended ends it as of an earlier moment.
func (s Span) Ended(at time.Time) {
	if s.s != nil {
		s.s.End(trace.WithTimestamp(at))
	}
}

// Set adds an attribute.
func (s Span) Set(name, value string) {
	if s.s != nil && value != "" {
		s.s.SetAttributes(attribute.String("paragon."+name, value))
	}
}

// Count adds a number.
func (s Span) Count(name string, n int) {
	if s.s != nil {
		s.s.SetAttributes(attribute.Int("paragon."+name, n))
	}
}

// Query adds whose work it is.
func (s Span) Query(m query.Message) {
	if s.s != nil {
		s.s.SetAttributes(attribute.String("paragon.query", m.ID), attribute.String("paragon.task", m.Task),
			attribute.String("paragon.model", m.Model), attribute.String("paragon.class", string(m.Class)))
	}
}

// Fail reports that it failed, by a code: an error's text may quote an input.
func (s Span) Fail(code string) {
	if s.s != nil {
		s.s.SetStatus(codes.Error, code)
	}
}
