package tracing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// otlp exports spans in OTLP's JSON encoding, a document a batch, of which a
// file keeps a line each. The library's exporter speaks protobuf, and takes gRPC
// with it: 24 MB more of a function that has 28, at every cold start.
type otlp struct {
	send func(ctx context.Context, document []byte) error
	end  func() error
}

// ExportSpans implements sdk.SpanExporter.
func (o otlp) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
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
func (o otlp) Shutdown(context.Context) error { return o.end() }

// The shapes of OTLP's JSON: ids in hexadecimal, 64-bit numbers as text.
type (
	document struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   about        `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	about struct {
		Attributes []pair `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope     `json:"scope"`
		Spans []oneSpan `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	oneSpan struct {
		TraceID    string `json:"traceId"`
		SpanID     string `json:"spanId"`
		ParentID   string `json:"parentSpanId,omitempty"`
		Name       string `json:"name"`
		Kind       int    `json:"kind"`
		Start      string `json:"startTimeUnixNano"`
		End        string `json:"endTimeUnixNano"`
		Attributes []pair `json:"attributes,omitempty"`
		Status     state  `json:"status"`
	}
	state struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	pair struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
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
	return document{[]resourceSpans{{about{pairs(spans[0].Resource().Attributes())}, []scopeSpans{{scope{spans[0].InstrumentationScope().Name}, list}}}}}
}

func oneSpanOf(s sdk.ReadOnlySpan) oneSpan {
	out := oneSpan{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), ParentID: idOf(s.Parent()),
		Name: s.Name(), Kind: internal, Start: nanos(s.StartTime()), End: nanos(s.EndTime()), Attributes: pairs(s.Attributes()),
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

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func pairs(list []attribute.KeyValue) []pair {
	out := make([]pair, len(list))
	for i, a := range list {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		out[i] = pair{string(a.Key), value}
	}
	return out
}
