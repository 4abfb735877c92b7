//go:build rehearse

package rehearse

import (
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// collectorAddress is the otlp_endpoint that the rehearsed stack is made with, in the place
// of which its functions are given that of a collector of this machine.
const collectorAddress = "https://collector.example.com"

// collectorHeader goes with each document.
const collectorHeader, collectorKey = "X-Collector-Key", "rehearsed"

// collector takes OpenTelemetry metrics over TLS.
type collector struct {
	*httptest.Server
	certificate string // file

	mu    sync.Mutex
	found map[string]float64 // by metric, the sum of the newest document's values
	keys  []string           // of the requests, each once
}

// openCollector listens, and gives the stage the header that goes with its documents.
func (p *play) openCollector() {
	p.t.Helper()
	c := &collector{certificate: filepath.Join(p.t.TempDir(), "collector.pem")}
	c.Server = httptest.NewTLSServer(c)
	p.t.Cleanup(c.Close)
	must(p.t, os.WriteFile(c.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600))
	p.collector = c
	_, err := ssm.NewFromConfig(p.sdk).PutParameter(p.t.Context(), &ssm.PutParameterInput{
		Name: aws.String(names.CollectorHeaders(stage)), Value: aws.String(collectorHeader + "=" + collectorKey), Type: types.ParameterTypeSecureString,
	})
	must(p.t, err)
}

// env leads a value of a function's environment to the collector.
func (c *collector) env(value string) string {
	return strings.Replace(value, collectorAddress, c.URL, 1)
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var d struct {
		ResourceMetrics []struct {
			ScopeMetrics []struct{ Metrics []map[string]any }
		}
	}
	body, err := gzip.NewReader(r.Body)
	if err == nil {
		err = json.NewDecoder(body).Decode(&d)
	}
	if err != nil || r.URL.Path != "/v1/metrics" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = map[string]float64{}
	if key := r.Header.Get(collectorHeader); !slices.Contains(c.keys, key) {
		c.keys = append(c.keys, key)
	}
	for _, resource := range d.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				name, _ := m["name"].(string)
				c.found[name] += valueOf(m)
			}
		}
	}
}

// valueOf sums the points of a counter or a gauge.
func valueOf(metric map[string]any) (sum float64) {
	for _, kind := range []string{"sum", "gauge"} {
		of, _ := metric[kind].(map[string]any)
		points, _ := of["dataPoints"].([]any)
		for _, p := range points {
			v, _ := p.(map[string]any)["asDouble"].(float64)
			sum += v
		}
	}
	return sum
}

// isCollected waits until the collector has the metrics that the documentation lists for
// it, with answers, each request with its key.
func (p *play) isCollected() {
	p.t.Helper()
	var missing []string
	c := p.collector
	holds := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		missing = nil
		for _, m := range telemetry.All() {
			if _, ok := c.found["paragon_"+m.Name]; ok != m.Exported() {
				missing = append(missing, m.Name)
			}
		}
		return len(missing) == 0 && c.found["paragon_"+telemetry.Answered.Name] > 0
	}
	p.until("the collector has the stage's metrics", holds)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.t.Logf("collected: %v", slices.Sorted(maps.Keys(c.found)))
	if !slices.Equal(c.keys, []string{collectorKey}) {
		p.t.Errorf("documents came with the keys %q", c.keys)
	}
}
