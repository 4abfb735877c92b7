package otlpmetrics

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/telemetry"
	"github.com/paragon-serving/paragon/shared/telemetry/otlp"
)

// The shapes of metrics in OTLP's JSON.
type (
	document struct {
		ResourceMetrics []resourceMetrics `json:"resourceMetrics"`
	}
	resourceMetrics struct {
		Resource     otlp.Resource  `json:"resource"`
		ScopeMetrics []scopeMetrics `json:"scopeMetrics"`
	}
	scopeMetrics struct {
		Scope   otlp.Scope `json:"scope"`
		Metrics []metric   `json:"metrics"`
	}
	// metric has its points in one of three, by its kind.
	metric struct {
		Name        string  `json:"name"`
		Description string  `json:"description"`
		Sum         *points `json:"sum,omitempty"`
		Gauge       *points `json:"gauge,omitempty"`
		Histogram   *points `json:"histogram,omitempty"`
	}
	points struct {
		Temporality int     `json:"aggregationTemporality,omitempty"`
		Monotonic   bool    `json:"isMonotonic,omitempty"`
		Points      []point `json:"dataPoints"`
	}
	point struct {
		Attributes []otlp.Pair `json:"attributes,omitempty"`
		Start      string      `json:"startTimeUnixNano,omitempty"`
		At         string      `json:"timeUnixNano"`
		Value      *float64    `json:"asDouble,omitempty"`
		Count      string      `json:"count,omitempty"` // this and the rest are of histograms
		Sum        *float64    `json:"sum,omitempty"`
		Counts     []string    `json:"bucketCounts,omitempty"`
		Bounds     []float64   `json:"explicitBounds,omitempty"`
	}
)

// cumulative is OTLP's number of sums since the process began: what could not be sent is in
// the next document.
const cumulative = 2

// documentOf puts the values of one process into a document, each metric once.
func documentOf(about []otlp.Pair, values []telemetry.Value, began, now time.Time) document {
	slices.SortStableFunc(values, func(a, b telemetry.Value) int { return strings.Compare(a.Metric.Name, b.Metric.Name) })
	var list []metric
	for _, v := range values {
		name := "paragon_" + v.Metric.Name // as in /metrics; a collector's exporter for Prometheus adds _total
		if len(list) == 0 || list[len(list)-1].Name != name {
			list = append(list, newMetric(name, v.Metric))
		}
		list[len(list)-1].add(v, began, now)
	}
	return document{[]resourceMetrics{{otlp.Resource{Attributes: about}, []scopeMetrics{{otlp.Scope{Name: "paragon"}, list}}}}}
}

func newMetric(name string, of telemetry.Metric) metric {
	m := metric{Name: name, Description: of.Doc}
	switch of.Kind {
	case telemetry.Counter:
		m.Sum = &points{Temporality: cumulative, Monotonic: true}
	case telemetry.Histogram:
		m.Histogram = &points{Temporality: cumulative}
	default:
		m.Gauge = &points{}
	}
	return m
}

func (m *metric) add(v telemetry.Value, began, now time.Time) {
	p := point{Attributes: pairsOf(v.Dimensions), At: otlp.Nanos(now), Start: otlp.Nanos(began)}
	to := m.Sum
	switch {
	case m.Gauge != nil:
		to, p.Start, p.Value = m.Gauge, "", &v.Value
	case m.Histogram != nil:
		to = m.Histogram
		p.fill(v.Histogram)
	default:
		p.Value = &v.Value
	}
	to.Points = append(to.Points, p)
}

// fill writes a histogram with two buckets a doubling, as /metrics does.
func (p *point) fill(h tally.Histogram) {
	counts := make([]int64, tally.BucketCount)
	var all int64
	for place, n := range h.Buckets {
		counts[place] = n
		all += n
	}
	var within int64
	for place, n := range counts {
		within += n
		if tally.HalfDoubling(place) {
			p.Bounds = append(p.Bounds, shortened(tally.UpperMS(place)))
			p.Counts = append(p.Counts, strconv.FormatInt(within, 10))
			within = 0
		}
	}
	p.Counts = append(p.Counts, strconv.FormatInt(within, 10))
	sum := h.SumMS()
	p.Sum, p.Count = &sum, strconv.FormatInt(all, 10)
}

// shortened is a bound of a bucket in the six digits that /metrics writes.
func shortened(ms float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(ms, 'g', 6, 64), 64)
	if err != nil {
		return ms // what was formatted can be parsed
	}
	return short
}

func pairsOf(dimensions []string) []otlp.Pair {
	out := make([]attribute.KeyValue, len(dimensions))
	for i, d := range dimensions {
		name, value, _ := strings.Cut(d, "=")
		out[i] = attribute.String(name, value)
	}
	return otlp.Pairs(out)
}
