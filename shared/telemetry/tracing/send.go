package tracing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter opens where spans go; nil when nowhere.
func (d destination) exporter() (sdk.SpanExporter, error) {
	switch {
	case d.file != "":
		return toFile(d.file)
	case d.address != "":
		return d.overHTTP(), nil
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
	return otlp{
		send: func(_ context.Context, doc []byte) error {
			_, err := f.Write(append(doc, '\n'))
			return err
		},
		end: f.Close,
	}, nil
}

// overHTTP posts documents to a collector.
func (d destination) overHTTP() sdk.SpanExporter {
	client := &http.Client{Timeout: d.timeout}
	return otlp{
		send: func(ctx context.Context, doc []byte) error { return post(ctx, client, d.address, d.headers, doc) },
		end:  func() error { client.CloseIdleConnections(); return nil },
	}
}

func post(ctx context.Context, client *http.Client, to string, headers http.Header, doc []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(doc))
	if err != nil {
		return err
	}
	maps.Copy(r.Header, headers)
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
