package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/paragon-serving/paragon/shared/telemetry/otlp"
)

// File is the environment variable that names a file to which spans are added,
// lines of OTLP's JSON: `paragon up --traces` sets it for its children.
const File = "PARAGON_TRACES"

// flushTime bounds how long a function waits for its spans to go out.
const flushTime = 2 * time.Second

// Source is a process's tracer with what its spans go through. A nil Source has
// no tracer.
type Source struct {
	*Tracer
	provider *sdk.TracerProvider
}

// Open reads from the environment where spans of a part of Paragon go: to the
// file of PARAGON_TRACES, or as OTLP over HTTP, in JSON, to
// OTEL_EXPORTER_OTLP_ENDPOINT, with its _HEADERS and _TIMEOUT. It is nil, and
// tracing off, when neither is set, or OTEL_SDK_DISABLED is true. The SDK's own
// variables hold as well, such as OTEL_TRACES_SAMPLER.
//
// Tracing never keeps a process from serving: a variable that cannot be used
// counts as not set, and log has a line about it.
func Open(env func(string) string, part string, log *slog.Logger) *Source {
	to, faults := readEnvironment(env, part)
	otlp.Warn(log, faults)
	exporter, err := to.exporter()
	if err != nil {
		log.Warn("tracing is off", "error", err)
	}
	if err != nil || exporter == nil {
		return nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if !errors.Is(err, resource.ErrPartialResource) { // the SDK reads the attributes once more
			log.Warn("tracing failed", "error", err)
		}
	}))
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless(to.resource...)))
	return &Source{Tracer: New(p), provider: p}
}

// Tracing returns the tracer; nil when tracing is off.
func (s *Source) Tracing() *Tracer {
	if s == nil {
		return nil
	}
	return s.Tracer
}

// Flush sends what has ended, within two seconds: a function that was answered
// is frozen. What does not go out then goes with the next.
func (s *Source) Flush(ctx context.Context) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	_ = s.provider.ForceFlush(ctx) // the process that collects traces may be away: a query waits for flushTime at most
}

// Close sends what has ended and ends the source.
func (s *Source) Close() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := s.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("end the traces: %w", err)
	}
	return nil
}
