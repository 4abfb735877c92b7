package telemetry

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Value is a metric's value for some dimensions, a list of name=value.
type Value struct {
	Metric     Metric
	Dimensions []string
	Value      float64
	Histogram  tally.Histogram // instead, of a histogram
}

// WriteText writes values in Prometheus' text format, version 0.0.4: each
// metric once, described, its values beneath it.
func WriteText(w io.Writer, values []Value) error {
	values = slices.Clone(values)
	slices.SortStableFunc(values, func(a, b Value) int { return strings.Compare(a.Metric.Name, b.Metric.Name) })
	before := ""
	for _, v := range values {
		name := "paragon_" + v.Metric.Name
		if v.Metric.Kind == Counter {
			name += "_total"
		}
		if name != before {
			if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp(v.Metric.Doc), name, v.Metric.Kind); err != nil {
				return fmt.Errorf("write metrics: %w", err)
			}
			before = name
		}
		if _, err := io.WriteString(w, v.text(name)); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// text is a value's lines.
func (v Value) text(name string) string {
	if v.Metric.Kind != Histogram {
		return fmt.Sprintf("%s%s %g\n", name, labels(v.Dimensions), v.Value)
	}
	counts := make([]int64, tally.BucketCount)
	for place, n := range v.Histogram.Buckets {
		counts[place] = n
	}
	var b strings.Builder
	var below int64
	bucket := func(bound string) {
		fmt.Fprintf(&b, "%s_bucket%s %d\n", name, labels(append(slices.Clone(v.Dimensions), bound)), below)
	}
	for place, n := range counts {
		below += n
		if tally.HalfDoubling(place) {
			bucket(fmt.Sprintf("le=%.6g", tally.UpperMS(place)))
		}
	}
	bucket("le=+Inf")
	fmt.Fprintf(&b, "%s_sum%s %g\n%s_count%s %d\n", name, labels(v.Dimensions), v.Histogram.SumMS(), name, labels(v.Dimensions), below)
	return b.String()
}

var helpEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

func escapeHelp(text string) string { return helpEscapes.Replace(text) }

var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func labels(dimensions []string) string {
	if len(dimensions) == 0 {
		return ""
	}
	var out []string
	for _, d := range dimensions {
		name, value, _ := strings.Cut(d, "=")
		out = append(out, fmt.Sprintf(`%s="%s"`, name, labelEscapes.Replace(value)))
	}
	return "{" + strings.Join(out, ",") + "}"
}
