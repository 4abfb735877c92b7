// Package otlpmetrics sends what a stage in an account counts to a collector, as
// OpenTelemetry metrics: those that are no metrics of CloudWatch's, which are paid for each.
//
// The controller sends them for the whole stage: it is in no query's way, and every process
// reports its counts to it anyway. A process that sent its own would be a series of its own
// for each environment of a function, and would hold requests for it.
package otlpmetrics

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
	"github.com/paragon-serving/paragon/shared/telemetry/otlp"
)

const (
	// exportTime bounds one export, with the reading of its headers.
	exportTime = 5 * time.Second
	// graceTime is how long an export goes on that is under way when its process is about
	// to be frozen.
	graceTime = 500 * time.Millisecond
)

// Exporter sends the totals of a stage. A nil Exporter does nothing: they are off.
type Exporter struct {
	Options
	resource []otlp.Pair
	to       otlp.Destination
	client   *http.Client
	kept     *telemetry.Kept
	secret   http.Header   // nil until it is read; of the one goroutine that exports
	due      chan struct{} // holds one while totals are not sent yet

	mu     sync.Mutex // guards what follows
	totals telemetry.Totals
}

// Options are where metrics go and whose they are.
type Options struct {
	Env     func(string) string
	Stage   string
	Metrics platform.Metrics // whose values are sent too, as far as they are none of CloudWatch's
	// Headers reads what goes with each request besides the headers of the environment,
	// such as a key, written as they are.
	Headers func(ctx context.Context) (string, error)
	Log     *slog.Logger
}

// Open reads from the environment where metrics go: to OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
// as OTLP over HTTP, in JSON. It is nil when that is not set. A variable that cannot be used
// counts as not set, and the log has a line about it.
func Open(o Options) *Exporter {
	r := otlp.NewEnvironment(o.Env, otlp.Metrics)
	var to otlp.Destination
	if !r.Disabled() {
		to = r.Destination()
	}
	about := append(r.Resource(o.Stage), attribute.String("deployment.environment.name", o.Stage))
	otlp.Warn(o.Log, r.Faults)
	if to.Address == "" {
		return nil
	}
	to.Gzip = true // a tenth of what leaves the account
	return &Exporter{
		Options: o, resource: otlp.Pairs(about), to: to, client: otlp.NewClient(to.Timeout), kept: telemetry.NewKept(o.Metrics), due: make(chan struct{}, 1),
	}
}

// Watched are the metrics of the options, whose values are sent too.
func (e *Exporter) Watched() platform.Metrics { return e.kept }

// Take has totals sent, in the place of earlier ones. It does not wait.
func (e *Exporter) Take(t telemetry.Totals) {
	e.mu.Lock()
	e.totals = t
	e.mu.Unlock()
	e.again()
}

// again has the last totals sent, once.
func (e *Exporter) again() {
	select {
	case e.due <- struct{}{}:
	default: // they are anyway
	}
}

// Start sends the totals that come until ctx ends. What it returns waits for the end of
// that, half a second at most; what was not sent by then is sent by the next Start, or
// is in the totals that come until then.
func (e *Exporter) Start(ctx context.Context) (settle func()) {
	if e == nil {
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-e.due:
			}
			if ctx.Err() != nil {
				e.again()
				return
			}
			e.export(ctx)
		}
	}()
	return func() { <-ended }
}

// export sends the last totals. What fails is logged, and sent with the next ones.
func (e *Exporter) export(ctx context.Context) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceTime, cancel) })
	defer stop()
	err := e.try(sending)
	if err == nil {
		return
	}
	e.Log.Warn("metrics are not exported yet", "error", err)
	if ctx.Err() != nil {
		e.again() // the process may be frozen now
	}
}

func (e *Exporter) try(ctx context.Context) error {
	to, err := e.destination(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	t := e.totals
	e.mu.Unlock()
	raw, err := json.Marshal(documentOf(e.resource, e.values(t), t.Since, t.At))
	if err == nil {
		err = to.Post(ctx, e.client, raw)
	}
	if err != nil {
		e.secret = nil // it may have been changed
		return fmt.Errorf("export metrics: %w", err)
	}
	return nil
}

// destination is where totals go, with the headers that are read once they are needed.
func (e *Exporter) destination(ctx context.Context) (otlp.Destination, error) {
	if e.secret == nil {
		text, err := e.Headers(ctx)
		if err != nil {
			return e.to, fmt.Errorf("read the headers for the collector: %w", err)
		}
		if e.secret, err = otlp.ParseHeaders(text); err != nil {
			return e.to, fmt.Errorf("the headers for the collector: %w", err)
		}
	}
	to := e.to
	to.Headers = e.to.Headers.Clone()
	if to.Headers == nil {
		to.Headers = http.Header{}
	}
	maps.Copy(to.Headers, e.secret)
	return to, nil
}

// values are what was counted, and what was kept until now.
func (e *Exporter) values(t telemetry.Totals) []telemetry.Value {
	out := t.Values()
	for _, v := range e.kept.Values() {
		if v.Metric.Exported() {
			out = append(out, v)
		}
	}
	return out
}
