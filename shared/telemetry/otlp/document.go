package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// The shapes of OTLP's JSON that all signals have: ids in hexadecimal, 64-bit numbers as text.
type (
	// Resource is the process that a signal is of.
	Resource struct {
		Attributes []Pair `json:"attributes"`
	}
	// Scope is the part of it that made the signal.
	Scope struct {
		Name string `json:"name"`
	}
	// Pair is an attribute.
	Pair struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// Nanos writes a moment.
func Nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// Pairs writes attributes; of two with one key the last holds.
func Pairs(list []attribute.KeyValue) []Pair {
	out, at := make([]Pair, 0, len(list)), map[attribute.Key]int{}
	for _, a := range list {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		i, known := at[a.Key]
		if !known {
			i, out = len(out), append(out, Pair{})
		}
		at[a.Key], out[i] = i, Pair{string(a.Key), value}
	}
	return out
}

// compressed compresses a document.
func compressed(document []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(document) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// Sender returns what posts documents to the destination, and what ends that.
func (d Destination) Sender() (send func(ctx context.Context, document []byte) error, end func() error) {
	client := NewClient(d.Timeout)
	return func(ctx context.Context, document []byte) error { return d.Post(ctx, client, document) },
		func() error { client.CloseIdleConnections(); return nil }
}

// NewClient returns a client of a collector. It follows no redirect, by which headers that
// are secret would go elsewhere.
func NewClient(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Post posts a document.
func (d Destination) Post(ctx context.Context, client *http.Client, document []byte) error {
	if d.Gzip {
		document = compressed(document)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Address, bytes.NewReader(document))
	if err != nil {
		return err
	}
	maps.Copy(r.Header, d.Headers)
	r.Header.Set("Content-Type", "application/json")
	if d.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
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
