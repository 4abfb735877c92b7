package tracing

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporterOf finds where spans go; nil when nowhere.
func exporterOf(env func(string) string) (sdk.SpanExporter, error) {
	if env("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	if path := env(File); path != "" {
		return toFile(path)
	}
	to := env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := env("OTEL_EXPORTER_OTLP_ENDPOINT"); to == "" && base != "" {
		to = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if to == "" {
		return nil, nil
	}
	return overHTTP(to, env)
}

// toFile adds documents to a file, a line each in one write, so that several
// processes may share it.
func toFile(path string) (sdk.SpanExporter, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file for traces: %w", err)
	}
	return otlp{
		send: func(_ context.Context, doc []byte) error {
			_, err := f.Write(append(doc, '\n'))
			return err
		},
		end: f.Close,
	}, nil
}

// defaultTimeout is OTLP's for one request.
const defaultTimeout = 10 * time.Second

// overHTTP posts documents to a collector.
func overHTTP(to string, env func(string) string) (sdk.SpanExporter, error) {
	if u, err := url.Parse(to); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %q is not of the form http://host:4318", to)
	}
	headers, err := headersOf(cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_HEADERS"), env("OTEL_EXPORTER_OTLP_HEADERS")))
	if err != nil {
		return nil, err
	}
	timeout := defaultTimeout
	if text := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"), env("OTEL_EXPORTER_OTLP_TIMEOUT")); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT: %q is no number of milliseconds", text)
		}
		timeout = time.Duration(ms) * time.Millisecond
	}
	client := &http.Client{Timeout: timeout}
	return otlp{
		send: func(ctx context.Context, doc []byte) error { return post(ctx, client, to, headers, doc) },
		end:  func() error { client.CloseIdleConnections(); return nil },
	}, nil
}

// headersOf reads name=value pairs, percent-encoded and parted by commas.
func headersOf(list string) (http.Header, error) {
	out := http.Header{}
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil { // the value may be a secret
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %q is not followed by =value", strings.TrimSpace(name))
		}
		out.Add(strings.TrimSpace(name), text)
	}
	return out, nil
}

func post(ctx context.Context, client *http.Client, to string, headers http.Header, doc []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(doc))
	if err != nil {
		return err
	}
	r.Header = headers.Clone()
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answered %s", resp.Status)
	}
	return nil
}
