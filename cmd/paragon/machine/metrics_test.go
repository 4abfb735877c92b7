package machine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// silent takes every point, until it is set to refuse them.
type silent struct {
	platform.Metrics
	refuse bool
}

func (s *silent) Put(context.Context, ...platform.Point) error {
	if s.refuse {
		return errors.New("refused")
	}
	return nil
}

// talliesOf are the tallies of one pool.
type talliesOf map[string]tally.Snapshot

func (f talliesOf) Tallies(_ context.Context, pool string) (map[string]tally.Snapshot, error) {
	if pool != Pool {
		return nil, errors.New("no such pool")
	}
	return f, nil
}

// queuesOf are the depths of queues.
type queuesOf map[platform.QueueName]platform.Depth

func (q queuesOf) Depth(_ context.Context, name platform.QueueName) (platform.Depth, error) {
	d, known := q[name]
	if !known {
		return d, errors.New("no such queue")
	}
	return d, nil
}

func TestWhatWorkersCountedAsPrometheusReadsIt(t *testing.T) {
	now := time.Now()
	m, fleet, book := newTallied(&silent{}, queuesOf{platform.Overflow: {Visible: 3, InFlight: 2, Oldest: 1500 * time.Millisecond}}, now), talliesOf{}, tally.NewBook(now)
	book.Refused("ann", "a", query.Strict)
	for i := range 3 {
		for _, model := range []string{"x", "y"} {
			book.Ended(tally.Key{Task: "a", Model: model, Class: query.Strict}, tally.Observation{State: query.Succeeded, Met: i > 0, Overflowed: i == 0, Cold: i == 0, LatencyMS: 10})
		}
		now = now.Add(time.Second)
		fleet["w-1"] = book.Snapshot(now)
		m.count(t.Context(), fleet, now, Pool, "other")
	}
	fleet["w-2"] = fleet["w-1"]
	delete(fleet, "w-1") // gone, but what it counted stays
	m.count(t.Context(), fleet, now, Pool)
	m.served = func() []tally.Key {
		return []tally.Key{{Task: "a", Model: "x", Class: query.Strict}, {Task: "a", Model: "z", Class: query.Relaxed}}
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:8080/metrics", nil))
	for _, want := range []string{
		`paragon_answered_total{task="a",model="x",class="strict"} 6`, `paragon_met_total{task="a",model="y",class="strict"} 4`, `paragon_overflowed_total{task="a",model="x",class="strict"} 2`,
		`paragon_cold_starts_total{task="a",model="x",class="strict"} 2`, `paragon_failed_total{task="a",model="x",class="strict"} 0`, `paragon_latency_ms_bucket{task="a",model="x",class="strict",le="8"} 0`,
		`paragon_latency_ms_bucket{task="a",model="x",class="strict",le="16"} 6`, `paragon_latency_ms_count{task="a",model="x",class="strict"} 6`,
		`paragon_answered_total{task="a",model="z",class="relaxed"} 0`, `paragon_latency_ms_bucket{task="a",model="z",class="relaxed",le="8"} 0`,
		`paragon_burn_rate{class="strict",window="5m"} 33.333333333333336`, `paragon_burn_rate{class="strict",window="1h"} 33.333333333333336`,
		`paragon_refused_total{task="a",class="strict"} 2`, `paragon_queue_messages{queue="overflow"} 3`, `paragon_queue_in_flight{queue="overflow"} 2`, `paragon_queue_oldest_ms{queue="overflow"} 1500`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

// What owners have counted comes once, though their worker reports it again and again.
func TestOwnersAreCountedOnce(t *testing.T) {
	now := time.Now()
	m, fleet, book := newTallied(&silent{}, queuesOf{}, now), talliesOf{}, tally.NewBook(now)
	var answered int64
	for range 3 {
		for range 2 { // readings of one report
			for _, o := range m.count(t.Context(), fleet, now, Pool).Owners {
				if o.Owner != "ann" || o.Task != "a" {
					t.Errorf("%+v", o)
				}
				answered += o.Answered
			}
		}
		book.Ended(tally.Key{Task: "a", Model: "x", Class: query.Strict}, tally.Observation{Owner: "ann", State: query.Succeeded})
		now = now.Add(time.Second)
		fleet["w-1"] = book.Snapshot(now)
	}
	if answered != 2 {
		t.Errorf("%d answered, want the 2 that were read", answered)
	}
}

func TestMetricsAsPrometheusReadsThem(t *testing.T) {
	under := &silent{}
	m := newTallied(under, queuesOf{}, time.Now())
	put := func(metric telemetry.Metric, v float64, dims ...string) error {
		return m.Put(t.Context(), platform.Point{Metric: metric.Name, Dimensions: dims, At: time.Now(), Value: v})
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
	w = httptest.NewRecorder()
	if m.ServeHTTP(w, httptest.NewRequest("POST", "http://127.0.0.1:8080/metrics", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a POST answered %d", w.Code)
	}
}
