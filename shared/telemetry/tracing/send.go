package tracing

import (
	"context"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/paragon-serving/paragon/shared/telemetry/otlp"
)

// destination is where spans go and what they are of.
type destination struct {
	otlp.Destination
	file     string // empty for the collector's address
	resource []attribute.KeyValue
}

// readEnvironment finds where spans of a part of Paragon go; nowhere when tracing is off.
func readEnvironment(env func(string) string, part string) (destination, []otlp.Fault) {
	r, d := otlp.NewEnvironment(env, otlp.Traces), destination{file: env(File)}
	if r.Disabled() {
		return destination{}, r.Faults
	}
	d.resource = r.Resource(part)
	if d.file == "" {
		d.Destination = r.Destination()
	}
	return d, r.Faults
}

// exporter opens where spans go; nil when nowhere.
func (d destination) exporter() (sdk.SpanExporter, error) {
	switch {
	case d.file != "":
		return toFile(d.file)
	case d.Address != "":
		send, end := d.Sender()
		return exporter{send: send, end: end}, nil
	}
	return nil, nil
}

// toFile adds documents to a file, a line each in one write, so that several
// processes may share it.
func toFile(path string) (sdk.SpanExporter, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file for traces: %w", err)
	}
	return exporter{
		send: func(_ context.Context, doc []byte) error {
			_, err := f.Write(append(doc, '\n'))
			return err
		},
		end: f.Close,
	}, nil
}

// ChildEnv returns what of an environment child processes are given so that they
// trace as their parent does, which has reported what it left out: the variables
// of OpenTelemetry that can be used.
func ChildEnv(env func(string) string, pairs []string) []string {
	d, faults := readEnvironment(env, "")
	if d.file == "" && d.Address == "" {
		return []string{"OTEL_SDK_DISABLED=true"}
	}
	out := []string{File + "=" + d.file}
	for _, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		left := !strings.HasPrefix(name, "OTEL_")
		for _, f := range faults {
			left = left || f.Variable == name
		}
		if !left {
			out = append(out, pair)
		}
	}
	return out
}
