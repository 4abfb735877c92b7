// Package arrivals holds when queries arrive: recorded traces, read from CSV,
// and the arrival times that a trace or a rate stands for. It is pure: the
// reader and the random stream are passed in.
package arrivals

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Trace is a count of arrivals a step, from time zero on, without gaps.
type Trace struct {
	Step   time.Duration // length of each step
	Counts []float64     // arrivals in each step; a scaled trace has fractions
}

// The bounds of a trace. They keep a wrong file from being taken for a long
// one: a year of seconds is 32 million steps.
const (
	maxSteps = 50_000_000
	maxCount = 1e9 // arrivals in one step
	maxLine  = 256 // bytes in one row
)

// steps gives the length of a step by the name of the first column.
var steps = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour}

// ReadTrace reads a trace as CSV: the header `second,count` (or `minute,count`,
// `hour,count`, which says how long a step is), then one row a step, counted
// from 0, a step without arrivals as 0. Every fault names its line.
func ReadTrace(r io.Reader) (Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	t, line := Trace{}, 0
	for lines.Scan() {
		line++
		if err := t.add(line, strings.TrimSpace(lines.Text())); err != nil {
			return Trace{}, fmt.Errorf("read trace: line %d: %w", line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return Trace{}, fmt.Errorf("read trace: line %d: %w", line+1, err)
	}
	if len(t.Counts) == 0 {
		return Trace{}, fmt.Errorf("read trace: line %d: it ends without a step", max(line, 1))
	}
	return t, nil
}

// add takes one line: the header first, then the steps in order.
func (t *Trace) add(line int, text string) error {
	first, second, ok := strings.Cut(text, ",")
	if !ok || strings.Contains(second, ",") {
		return fmt.Errorf("%q does not have two columns", text)
	}
	if line == 1 {
		return t.header(strings.TrimPrefix(first, "\ufeff"), second)
	}
	step, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return fmt.Errorf("step %q is not a whole number", first)
	}
	if step != len(t.Counts) {
		return fmt.Errorf("step %d where %d is due: steps count from 0 without gaps", step, len(t.Counts))
	}
	if step >= maxSteps {
		return fmt.Errorf("more than %d steps", maxSteps)
	}
	count, err := strconv.ParseFloat(strings.TrimSpace(second), 64)
	if err != nil || math.IsNaN(count) || count < 0 || count > maxCount {
		return fmt.Errorf("count %q is not a number from 0 to %.0f", second, float64(maxCount))
	}
	t.Counts = append(t.Counts, count)
	return nil
}

func (t *Trace) header(first, second string) error {
	step, ok := steps[strings.ToLower(strings.TrimSpace(first))]
	if !ok || strings.ToLower(strings.TrimSpace(second)) != "count" {
		return fmt.Errorf("the header is %q, not second,count (or minute,count, hour,count)", first+","+second)
	}
	t.Step = step
	return nil
}

// Duration is how long the trace lasts.
func (t Trace) Duration() time.Duration { return time.Duration(len(t.Counts)) * t.Step }

// Total is how many arrivals the trace holds.
func (t Trace) Total() float64 {
	sum := 0.0
	for _, c := range t.Counts {
		sum += c
	}
	return sum
}

// Scaled returns the trace with every count multiplied by a factor.
func (t Trace) Scaled(factor float64) Trace {
	out := Trace{Step: t.Step, Counts: make([]float64, len(t.Counts))}
	for i, c := range t.Counts {
		out.Counts[i] = c * factor
	}
	return out
}

// Window returns the whole steps that cover [from, from+length); a length of 0
// reaches to the end. It fails when the trace does not reach from.
func (t Trace) Window(from, length time.Duration) (Trace, error) {
	if from < 0 || length < 0 || from >= t.Duration() {
		return Trace{}, fmt.Errorf("a window from %s for %s is outside the trace, which lasts %s", from, length, t.Duration())
	}
	first, last := int(from/t.Step), len(t.Counts)
	if length > 0 && length < t.Duration()-from {
		last = int((from + length + t.Step - 1) / t.Step)
	}
	return Trace{Step: t.Step, Counts: t.Counts[first:last]}, nil
}

// Write writes the trace as ReadTrace reads it. It fails for a step that is not
// a second, a minute or an hour.
func (t Trace) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, name := range []string{"second", "minute", "hour"} {
		if steps[name] != t.Step {
			continue
		}
		fmt.Fprintf(out, "%s,count\n", name)
		for i, c := range t.Counts {
			fmt.Fprintf(out, "%d,%s\n", i, strconv.FormatFloat(c, 'g', -1, 64))
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("write trace: %w", err)
		}
		return nil
	}
	return fmt.Errorf("write trace: a step of %s is no second, minute or hour", t.Step)
}
