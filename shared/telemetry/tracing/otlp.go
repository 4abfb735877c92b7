package tracing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/paragon-serving/paragon/shared/telemetry/otlp"
)

// exporter exports spans in OTLP's JSON encoding, a document a batch, of which a
// file keeps a line each.
type exporter struct {
	send func(ctx context.Context, document []byte) error
	end  func() error
}

// ExportSpans implements sdk.SpanExporter.
func (o exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	raw, err := json.Marshal(documentOf(spans))
	if err == nil {
		err = o.send(ctx, raw)
	}
	if err != nil {
		return fmt.Errorf("export %d spans: %w", len(spans), err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (o exporter) Shutdown(context.Context) error { return o.end() }

// The shapes of spans in OTLP's JSON.
type (
	document struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   otlp.Resource `json:"resource"`
		ScopeSpans []scopeSpans  `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope otlp.Scope `json:"scope"`
		Spans []oneSpan  `json:"spans"`
	}
	oneSpan struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []otlp.Pair `json:"attributes,omitempty"`
		Status     state       `json:"status"`
	}
	state struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
)

const (
	internal = 1 // OTLP's number of that span kind
	failed   = 2 // and of that status
)

// documentOf puts spans of one process into a document.
func documentOf(spans []sdk.ReadOnlySpan) document {
	list := make([]oneSpan, len(spans))
	for i, s := range spans {
		list[i] = oneSpanOf(s)
	}
	return document{[]resourceSpans{{otlp.Resource{Attributes: otlp.Pairs(spans[0].Resource().Attributes())}, []scopeSpans{{otlp.Scope{Name: spans[0].InstrumentationScope().Name}, list}}}}}
}

func oneSpanOf(s sdk.ReadOnlySpan) oneSpan {
	out := oneSpan{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), ParentID: idOf(s.Parent()),
		Name: s.Name(), Kind: internal, Start: otlp.Nanos(s.StartTime()), End: otlp.Nanos(s.EndTime()), Attributes: otlp.Pairs(s.Attributes()),
	}
	if st := s.Status(); st.Code == codes.Error {
		out.Status = state{failed, st.Description}
	}
	return out
}

func idOf(parent trace.SpanContext) string {
	if !parent.HasSpanID() {
		return ""
	}
	id := parent.SpanID()
	return hex.EncodeToString(id[:])
}
