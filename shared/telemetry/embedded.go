package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"paragon/shared/cloud"
)

// Embedding is how a function's log tells CloudWatch of metrics.
type Embedding struct {
	Namespace string
	// StageDimension names the dimension that says whose metrics they are: Stage's.
	StageDimension, Stage string
	Out                   io.Writer // the function's log, a line a Write
}

// Logged returns metrics of which those that are marked so go out with the
// function's log, in CloudWatch's embedded metric format: the log's price
// instead of a call's, and no waiting. The others, and all reading, go to m.
func Logged(m cloud.Metrics, e Embedding) cloud.Metrics {
	l := &logged{Metrics: m, Embedding: e, known: map[string]Metric{}}
	for _, k := range All() {
		if k.Logged {
			l.known[k.Name] = k
		}
	}
	return l
}

type logged struct {
	cloud.Metrics
	Embedding
	known map[string]Metric
	mu    sync.Mutex // one line at a time
}

// Put implements cloud.Metrics.
func (l *logged) Put(ctx context.Context, points ...cloud.Point) error {
	var called []cloud.Point
	lines := map[string][]cloud.Point{} // of one moment and one set of dimensions
	for _, p := range points {
		if _, ok := l.known[p.Metric]; !ok {
			called = append(called, p)
			continue
		}
		key := fmt.Sprint(p.At.UnixMilli(), "\x1f", strings.Join(p.Dimensions, "\x1f"))
		lines[key] = append(lines[key], p)
	}
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		if err := l.write(lines[key]); err != nil {
			return err
		}
	}
	if len(called) == 0 {
		return nil
	}
	return l.Metrics.Put(ctx, called...)
}

func (l *logged) write(points []cloud.Point) error {
	raw, err := json.Marshal(l.line(points))
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, err = l.Out.Write(append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write metrics to the log: %w", err)
	}
	return nil
}

// definition is what CloudWatch is told of one metric.
type definition struct {
	Name              string
	Unit              string `json:",omitempty"`
	StorageResolution int
}

// units are CloudWatch's names for ours; anything else has none.
var units = map[string]string{"ms": "Milliseconds", "workers": "Count"}

// line is what is logged of points that share their moment and dimensions: each
// metric's values, and where they are to be found.
func (l *logged) line(points []cloud.Point) map[string]any {
	out := map[string]any{l.StageDimension: l.Stage}
	names := []string{l.StageDimension}
	for _, d := range points[0].Dimensions {
		name, value, _ := strings.Cut(d, "=")
		out[name] = cmp.Or(value, "-")
		names = append(names, name)
	}
	values := map[string][]float64{}
	for _, p := range points {
		values[p.Metric] = append(values[p.Metric], p.Value)
	}
	var metrics []definition
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out[name] = values[name]
		if len(values[name]) == 1 {
			out[name] = values[name][0]
		}
		metrics = append(metrics, definition{name, units[l.known[name].Unit], 1})
	}
	out["_aws"] = map[string]any{
		"Timestamp":         points[0].At.UnixMilli(),
		"CloudWatchMetrics": []map[string]any{{"Namespace": l.Namespace, "Dimensions": [][]string{names}, "Metrics": metrics}},
	}
	return out
}
