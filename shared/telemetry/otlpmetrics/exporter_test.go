package otlpmetrics

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// collector takes documents, in memory.
type collector struct {
	mu      sync.Mutex
	answers func(r *http.Request) (*http.Response, error) // instead; nil takes all
	heads   []http.Header
	got     []document
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	answers := c.answers
	c.mu.Unlock()
	if answers != nil {
		return answers(r)
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.NewDecoder(body).Decode(&d); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.heads = append(c.got, d), append(c.heads, r.Header)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func (c *collector) documents() []document {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

var began = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const endpoint = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"

// opened is an exporter, with its log.
func opened(vars map[string]string, headers func(context.Context) (string, error)) (*Exporter, *strings.Builder) {
	log := &strings.Builder{}
	if headers == nil {
		headers = func(context.Context) (string, error) { return "", nil }
	}
	return Open(Options{
		Env: func(name string) string { return vars[name] }, Stage: "prod", Metrics: silent{}, Headers: headers, Log: slog.New(slog.NewTextHandler(log, nil)),
	}), log
}

// exporting is an exporter that sends to a collector.
func exporting(t *testing.T, c *collector, headers func(context.Context) (string, error)) (*Exporter, *strings.Builder) {
	t.Helper()
	e, log := opened(map[string]string{endpoint: "https://collector.example/v1/metrics", "OTEL_RESOURCE_ATTRIBUTES": "team=search"}, headers)
	if e == nil {
		t.Fatalf("metrics are off: %s", log)
	}
	e.client.Transport = c
	return e, log
}

// totalsOf are totals of n answers.
func totalsOf(n int) telemetry.Totals {
	b := tally.NewBook(began)
	key := tally.Key{Task: "fashion", Model: "cnn", Class: query.Strict, Resource: "c5.large"}
	for i := range n {
		b.Ended(key, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: []float64{1.5, 30, 31, 1e9}[i%4], CostUSD: 0.001})
	}
	b.Refused("anna", "fashion", query.Strict)
	return telemetry.Totals{Since: began, At: began.Add(time.Minute), Tallies: tally.Group(b.Snapshot(began).Tallies, tally.ByModel), Burns: []tally.Burn{{Class: query.Strict, Window: "5m", Rate: 2.5}}}
}

// named finds a metric in a document.
func named(t *testing.T, d document, name string) metric {
	t.Helper()
	for _, m := range d.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no %s in %+v", name, d)
	return metric{}
}

func attributes(p point) string {
	var out []string
	for _, a := range p.Attributes {
		out = append(out, fmt.Sprint(a.Key, "=", a.Value["stringValue"]))
	}
	return strings.Join(out, " ")
}

// answered is how many answers a document has.
func answered(t *testing.T, d document) float64 {
	t.Helper()
	return *named(t, d, "paragon_answered").Sum.Points[0].Value
}

// What was counted goes out with the names of /metrics, since the counts began; what
// CloudWatch has does not.
func TestWhatIsCountedIsExported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		e, log := exporting(t, c, func(context.Context) (string, error) { return "api-key=secret%20one", nil })
		if err := e.Watched().Put(t.Context(), platform.Point{Metric: telemetry.Ready.Name, Dimensions: telemetry.PoolOf("general"), Value: 3}, platform.Point{Metric: telemetry.Arrivals.Name, Value: 7}); err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		settle := e.Start(ctx)
		e.Take(totalsOf(4))
		synctest.Wait()
		end()
		settle()
		got := c.documents()
		if len(got) != 1 || c.heads[0].Get("Api-Key") != "secret one" || c.heads[0].Get("Content-Type") != "application/json" {
			t.Fatalf("%d documents, headers %v; %s", len(got), c.heads, log)
		}
		about := fmt.Sprint(got[0].ResourceMetrics[0].Resource)
		for _, want := range []string{"paragon-prod", "deployment.environment.name", "team"} {
			if !strings.Contains(about, want) {
				t.Errorf("no %q in %s", want, about)
			}
		}
		sum := named(t, got[0], "paragon_answered").Sum
		if p := sum.Points[0]; *p.Value != 4 || attributes(p) != "task=fashion model=cnn class=strict" || p.Start != fmt.Sprint(began.UnixNano()) || !sum.Monotonic || sum.Temporality != cumulative {
			t.Errorf("%+v", sum)
		}
		if p := named(t, got[0], "paragon_refused").Sum.Points[0]; *p.Value != 1 {
			t.Errorf("refused: %+v", p)
		}
		if p := named(t, got[0], "paragon_workers_ready").Gauge.Points[0]; *p.Value != 3 || attributes(p) != "pool=general" {
			t.Errorf("ready: %+v", p)
		}
		if p := named(t, got[0], "paragon_burn_rate").Gauge.Points[0]; *p.Value != 2.5 || attributes(p) != "class=strict window=5m" {
			t.Errorf("burn rate: %+v", p)
		}
		for _, m := range got[0].ResourceMetrics[0].ScopeMetrics[0].Metrics {
			if m.Name == "paragon_"+telemetry.Arrivals.Name {
				t.Errorf("%s is CloudWatch's", m.Name)
			}
		}
		checkHistogram(t, named(t, got[0], "paragon_latency_ms").Histogram.Points[0])
	})
}

// checkHistogram looks for 1.5, 30, 31 and a time above all buckets.
func checkHistogram(t *testing.T, p point) {
	t.Helper()
	if p.Count != "4" || len(p.Counts) != len(p.Bounds)+1 || !slices.IsSorted(p.Bounds) || p.Counts[len(p.Bounds)] != "1" {
		t.Fatalf("%+v", p)
	}
	for i, n := range p.Counts[:len(p.Bounds)] {
		low, high := 0.0, p.Bounds[i]
		if i > 0 {
			low = p.Bounds[i-1]
		}
		want := 0
		for _, ms := range []float64{1.5, 30, 31} {
			if ms > low && ms <= high {
				want++
			}
		}
		if n != fmt.Sprint(want) {
			t.Errorf("%s in (%v, %v], want %d", n, low, high, want)
		}
	}
}

// Metrics are off without their own endpoint: that of traces is no reason to send them.
func TestMetricsAreOffByDefault(t *testing.T) {
	for name, vars := range map[string]map[string]string{
		"nothing set":        {},
		"an endpoint of all": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"no address":         {endpoint: "collector:4318"},
		"OpenTelemetry off":  {endpoint: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"},
		"metrics off":        {endpoint: "http://127.0.0.1:1", "OTEL_METRICS_EXPORTER": "none"},
		"nothing but grpc":   {endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		"metrics over grpc":  {endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
		"traces are sent":    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"},
	} {
		e, log := opened(vars, nil)
		if e != nil {
			t.Errorf("%s: metrics are on", name)
		}
		if faulty := name == "no address" || strings.Contains(name, "grpc"); faulty != strings.Contains(log.String(), "is ignored") {
			t.Errorf("%s: logged %q", name, log)
		}
	}
	var off *Exporter
	off.Start(t.Context())()
}

// answersOf are collectors that take nothing: what each does, and what the log has of it.
var answersOf = map[string]struct {
	answers func(*http.Request) (*http.Response, error)
	logged  string
}{
	"hangs": {func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}, "deadline exceeded"},
	"is not there": {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, "connection refused"},
	"fails":        {status(http.StatusInternalServerError), "500"},
	"refuses":      {status(http.StatusUnauthorized), "401"},
	"leads on":     {status(http.StatusTemporaryRedirect), "307"},
}

func status(code int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if r.Host != "collector.example" {
			return nil, fmt.Errorf("a document for %s", r.Host)
		}
		h := http.Header{"Location": {"https://other.example/v1/metrics"}}
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: h, Body: io.NopCloser(strings.NewReader("no")), Request: r}, nil
	}
}

// Whatever a collector does, totals are taken at once, the process may be frozen half a
// second after it has ended, and the first document that is taken has all that was counted.
func TestACollectorHoldsNothingUp(t *testing.T) {
	for name, of := range answersOf {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answers: of.answers}
				e, log := exporting(t, c, nil)
				began := time.Now()
				ctx, end := context.WithCancel(t.Context())
				settle := e.Start(ctx)
				for n := range 3 {
					e.Take(totalsOf(n + 1))
				}
				if waited := time.Since(began); waited > 0 {
					t.Errorf("totals were taken in %v", waited)
				}
				<-time.After(time.Minute)
				e.Take(totalsOf(4))
				synctest.Wait()
				ending := time.Now()
				end()
				settle()
				if waited := time.Since(ending); waited > graceTime {
					t.Errorf("a process that ends waited %v", waited)
				}
				if !strings.Contains(log.String(), of.logged) || len(c.documents()) > 0 {
					t.Errorf("logged %s", log)
				}
				c.mu.Lock()
				c.answers = nil
				c.mu.Unlock()
				ctx, end = context.WithCancel(t.Context())
				settle = e.Start(ctx)
				if name != "hangs" { // what was under way is sent again by itself
					e.Take(totalsOf(4))
				}
				synctest.Wait()
				end()
				settle()
				if got := c.documents(); len(got) != 1 || answered(t, got[0]) != 4 {
					t.Errorf("%d documents, want one with all 4 answers", len(got))
				}
			})
		})
	}
}

// Headers are read once, and again after a failure: a key may have been changed. Totals do
// not go out without them.
func TestHeadersAreReadAgainAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, reads := &collector{}, "old", 0
		var fault error
		e, log := exporting(t, c, func(context.Context) (string, error) { reads++; return "authorization=" + key, fault })
		next := func(n int) {
			e.Take(totalsOf(n))
			synctest.Wait()
		}
		ctx, end := context.WithCancel(t.Context())
		defer func() { end() }()
		e.Start(ctx)
		fault = errors.New("access denied")
		next(1)
		if len(c.documents()) > 0 || !strings.Contains(log.String(), "access denied") {
			t.Errorf("%d documents without their headers; logged %s", len(c.documents()), log)
		}
		fault = nil
		next(2)
		next(3)
		if reads != 2 || c.heads[1].Get("Authorization") != "old" {
			t.Errorf("%d reads, headers %v", reads, c.heads)
		}
		key, c.answers = "new", status(http.StatusForbidden)
		next(4)
		c.answers = nil
		next(5)
		if reads != 3 || c.heads[2].Get("Authorization") != "new" || strings.Contains(log.String(), "authorization=") {
			t.Errorf("%d reads, headers %v, logged %s", reads, c.heads, log)
		}
	})
}

// A collector over TLS, as OpenTelemetry's own, takes the documents.
func TestADocumentGoesOverTLS(t *testing.T) {
	arrived := make(chan string, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Encoding")
	}))
	defer s.Close()
	e, log := opened(map[string]string{endpoint: s.URL + "/v1/metrics"}, nil)
	e.client.Transport = s.Client().Transport
	ctx, end := context.WithCancel(t.Context())
	settle := e.Start(ctx)
	e.Take(totalsOf(1))
	if got := <-arrived; got != "POST /v1/metrics gzip" {
		t.Errorf("%s; logged %s", got, log)
	}
	end()
	settle()
}

// silent takes points and has none.
type silent struct{}

func (silent) Put(context.Context, ...platform.Point) error { return nil }

func (silent) Series(context.Context, string, []string, time.Time, time.Time, time.Duration) ([]platform.Sample, error) {
	return nil, nil
}

// A document takes what the bill counts, by the number of models, in two classes, with the
// request around it.
func TestADocumentTakesWhatTheBillCounts(t *testing.T) {
	for _, models := range []int{3, 10, 30} {
		sent := sizeOfDocument(t, models)
		rest := pricing.AtRest(pricing.Deployment{Collector: true, Models: models, TickSeconds: 10, ViewSeconds: 1})
		if most := rest.CollectorKBPerMinute * 1024; float64(sent) > most || float64(sent) < most/2 {
			t.Errorf("a document of %d models takes %d bytes, the bill counts %v", models, sent, most)
		}
	}
}

// sizeOfDocument is how many bytes are sent for the given number of models.
func sizeOfDocument(t *testing.T, models int) (sent int) {
	t.Helper()
	b, random := tally.NewBook(began), rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		key := tally.Key{Task: "fashion", Model: fmt.Sprint("model-", i/2%models), Class: []query.Class{query.Strict, query.Relaxed}[i%2], Resource: "c5.large"}
		b.Ended(key, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 20 + 30*random.ExpFloat64(), WaitMS: 10 * random.ExpFloat64(), CostUSD: 1.2e-6})
	}
	e, log := exporting(t, &collector{answers: func(r *http.Request) (*http.Response, error) {
		raw, err := httputil.DumpRequestOut(r, true)
		sent = len(raw)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
	}}, nil)
	for _, m := range telemetry.All() {
		if m.Exported() && !m.Reported {
			if err := e.Watched().Put(t.Context(), platform.Point{Metric: m.Name, Dimensions: telemetry.PoolOf("general"), Value: 3}); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.Take(telemetry.Totals{Since: began, At: began.Add(time.Minute), Tallies: tally.Group(b.Snapshot(began).Tallies, tally.ByModel)})
	e.export(t.Context())
	if sent == 0 {
		t.Fatalf("no document of %d models was sent; logged %s", models, log)
	}
	return sent
}
