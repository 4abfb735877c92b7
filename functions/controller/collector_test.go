package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// While a document is on its way to a collector that does not answer, the controller ticks,
// and its shift ends.
func TestACollectorThatHangsHoldsNoTick(t *testing.T) {
	asked, answered := make(chan struct{}), make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answered
	}))
	defer collector.Close()
	defer close(answered)
	c, backend := wired(t, map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": collector.URL})
	if err := backend.Settings.Set(t.Context(), "tick_seconds", "1"); err != nil {
		t.Fatal(err)
	}
	newest := func() string {
		es, err := backend.DecisionLog.Entries(t.Context(), platform.EntryQuery{Pool: "general", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(es) == 0 {
			return ""
		}
		return es[0].ID
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	c.metrics.Take(telemetry.Totals{Since: time.Now(), At: time.Now()})
	go func() { done <- c.handle(ctx, started{}) }()
	<-asked
	for before := newest(); newest() == before; { // until there is another tick
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
