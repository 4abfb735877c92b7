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

	"github.com/paragon-serving/paragon/shared/platform"
)

// Log takes lines of a process's log in CloudWatch Logs. On an error none of them counts
// as written.
type Log interface {
	WriteLines(ctx context.Context, lines [][]byte) error
}

// Embedding is how the log of a process reports metrics to CloudWatch.
type Embedding struct {
	Namespace string
	// StageDimension names the dimension that says whose metrics they are: Stage's.
	StageDimension, Stage string
	Log                   Log
}

// OutputLog returns a function's log, which is what it prints.
func OutputLog(out io.Writer) Log { return &outputLog{out: out} }

type outputLog struct {
	mu  sync.Mutex // one line at a time
	out io.Writer
}

// WriteLines implements Log, with a Write a line.
func (l *outputLog) WriteLines(_ context.Context, lines [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range lines {
		if _, err := l.out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Logged returns metrics of which those that are marked so, and those that are noted,
// go out with the log, in CloudWatch's embedded metric format: the log's price instead
// of a call's. CloudWatch makes metrics of the former alone. The others, and all reading,
// go to m.
func Logged(m platform.Metrics, e Embedding) platform.Metrics {
	l := &logged{Metrics: m, Embedding: e, known: map[string]Metric{}}
	for _, k := range All() {
		if k.Logged || k.Noted {
			l.known[k.Name] = k
		}
	}
	return l
}

type logged struct {
	platform.Metrics
	Embedding
	known map[string]Metric
}

// Put implements platform.Metrics.
func (l *logged) Put(ctx context.Context, points ...platform.Point) error {
	var called, written []platform.Point
	for _, p := range points {
		if _, ok := l.known[p.Metric]; ok {
			written = append(written, p)
		} else {
			called = append(called, p)
		}
	}
	if err := l.write(ctx, linesOf(written)); err != nil {
		return err
	}
	if len(called) == 0 {
		return nil
	}
	return l.Metrics.Put(ctx, called...)
}

// group are points of one moment and one set of dimensions.
type group []platform.Point

// linesOf sorts points into lines of the log. What has no dimensions shares the
// line of something of the same moment that has some: a line is paid by its size,
// and half of that is the same in each.
func linesOf(points []platform.Point) (lines [][]group) {
	groups := map[string]group{}
	for _, p := range points {
		key := fmt.Sprint(p.At.UnixMilli(), "\x1f", strings.Join(p.Dimensions, "\x1f"))
		groups[key] = append(groups[key], p)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) { // without dimensions first
		g := groups[key]
		if last := len(lines) - 1; last >= 0 && joins(lines[last], g) {
			lines[last] = append(lines[last], g)
		} else {
			lines = append(lines, []group{g})
		}
	}
	return lines
}

// joins reports whether a group may stand in a line: one that is alone there, of the
// same moment, without dimensions and without a metric that both have.
func joins(line []group, g group) bool {
	first := line[0][0]
	if len(line) > 1 || len(first.Dimensions) > 0 || first.At.UnixMilli() != g[0].At.UnixMilli() {
		return false
	}
	return !slices.ContainsFunc(line[0], func(p platform.Point) bool {
		return slices.ContainsFunc(g, func(o platform.Point) bool { return o.Metric == p.Metric })
	})
}

func (l *logged) write(ctx context.Context, lines [][]group) error {
	if len(lines) == 0 {
		return nil
	}
	raw := make([][]byte, len(lines))
	var err error
	for i, line := range lines {
		if raw[i], err = json.Marshal(l.line(line)); err != nil {
			return fmt.Errorf("write metrics to the log: %w", err)
		}
	}
	if err := l.Log.WriteLines(ctx, raw); err != nil {
		return fmt.Errorf("write metrics to the log: %w", err)
	}
	return nil
}

// definition describes one metric to CloudWatch.
type definition struct {
	Name              string
	Unit              string `json:",omitempty"`
	StorageResolution int
}

// units are CloudWatch's names for ours; anything else has none.
var units = map[string]string{"ms": "Milliseconds", "workers": "Count"}

// directive describes the metrics of one set of dimensions to CloudWatch.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

// line is what is logged of groups of one moment: each metric's values, and where
// they are to be found.
func (l *logged) line(groups []group) map[string]any {
	out := map[string]any{l.StageDimension: l.Stage}
	var directives []directive
	for _, g := range groups {
		names := []string{l.StageDimension}
		for _, d := range g[0].Dimensions {
			name, value, _ := strings.Cut(d, "=")
			out[name] = cmp.Or(value, "-")
			names = append(names, name)
		}
		values := map[string][]float64{}
		for _, p := range g {
			values[p.Metric] = append(values[p.Metric], p.Value)
		}
		d := directive{Namespace: l.Namespace, Dimensions: [][]string{names}}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			out[name] = values[name]
			if len(values[name]) == 1 {
				out[name] = values[name][0]
			}
			if known := l.known[name]; !known.Noted {
				d.Metrics = append(d.Metrics, definition{name, units[known.Unit], 1})
			}
		}
		if len(d.Metrics) > 0 {
			directives = append(directives, d)
		}
	}
	if len(directives) == 0 {
		return out
	}
	out["_aws"] = map[string]any{"Timestamp": groups[0][0].At.UnixMilli(), "CloudWatchMetrics": directives}
	return out
}
