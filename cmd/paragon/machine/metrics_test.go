package machine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/telemetry"
)

// silent takes every point, until it is told to refuse them.
type silent struct {
	cloud.Metrics
	refuse bool
}

func (s *silent) Put(context.Context, ...cloud.Point) error {
	if s.refuse {
		return errors.New("refused")
	}
	return nil
}

func TestMetricsAsPrometheusReadsThem(t *testing.T) {
	under := &silent{}
	m := newTallied(under)
	put := func(metric telemetry.Metric, v float64, dims ...string) error {
		return m.Put(t.Context(), cloud.Point{Metric: metric.Name, Dimensions: dims, At: time.Now(), Value: v})
	}
	for _, v := range []float64{2, 3} {
		if err := errors.Join(put(telemetry.Arrivals, v, "task=a", "class=strict"), put(telemetry.Ready, v, "pool=general")); err != nil {
			t.Fatal(err)
		}
	}
	under.refuse = true
	if err := put(telemetry.Ready, 9, "pool=general"); err == nil {
		t.Error("a refused point passed")
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:8080/metrics", nil))
	for _, want := range []string{`paragon_arrivals_total{task="a",class="strict"} 5`, `paragon_workers_ready{pool="general"} 3`} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
	for code, r := range map[int]*http.Request{
		405: httptest.NewRequest("POST", "http://127.0.0.1:8080/metrics", nil), 403: httptest.NewRequest("GET", "http://evil.example:8080/metrics", nil),
	} {
		w = httptest.NewRecorder()
		if m.ServeHTTP(w, r); w.Code != code {
			t.Errorf("%s %s answered %d, want %d", r.Method, r.URL, w.Code, code)
		}
	}
}
