package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Namespace is where CloudWatch keeps Paragon's metrics; the stage is a dimension.
const Namespace = "Paragon"

// units are CloudWatch's names for ours; anything else has none.
var units = map[string]string{"ms": "Milliseconds", "queries": "Count", "ticks": "Count", "writes": "Count", "workers": "Count"}

// WriteEmbedded writes values of one moment and stage in CloudWatch's embedded
// metric format, a log line for every set of dimensions: CloudWatch reads them
// out of a function's log, at one-second resolution, without a call.
func WriteEmbedded(w io.Writer, at time.Time, stage string, values []Value) error {
	lines := map[string][]Value{}
	for _, v := range values {
		key := strings.Join(v.Dimensions, "\x1f")
		lines[key] = append(lines[key], v)
	}
	keys := make([]string, 0, len(lines))
	for k := range lines {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		raw, err := json.Marshal(embedded(at, stage, lines[k]))
		if err != nil {
			return fmt.Errorf("write embedded metrics: %w", err)
		}
		if _, err := w.Write(append(raw, '\n')); err != nil {
			return fmt.Errorf("write embedded metrics: %w", err)
		}
	}
	return nil
}

// definition is what CloudWatch is told of one metric.
type definition struct {
	Name              string
	Unit              string `json:",omitempty"`
	StorageResolution int
}

func embedded(at time.Time, stage string, values []Value) map[string]any {
	out := map[string]any{"stage": stage}
	names := []string{"stage"}
	for _, d := range values[0].Dimensions {
		name, value, _ := strings.Cut(d, "=")
		out[name] = value
		names = append(names, name)
	}
	var metrics []definition
	for _, v := range values {
		out[v.Metric.Name] = v.Value
		metrics = append(metrics, definition{v.Metric.Name, units[v.Metric.Unit], 1})
	}
	out["_aws"] = map[string]any{
		"Timestamp":         at.UnixMilli(),
		"CloudWatchMetrics": []map[string]any{{"Namespace": Namespace, "Dimensions": [][]string{names}, "Metrics": metrics}},
	}
	return out
}
