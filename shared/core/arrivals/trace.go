// Package arrivals holds when queries arrive: recorded traces, read from CSV,
// and the arrival times that a trace or a rate stands for. It is pure: the
// reader and the random stream are passed in.
package arrivals

import (
	"bufio"
	"fmt"
	"io"
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
)

// steps gives the length of a step by the name of the first column.
var steps = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour}

// ReadTrace reads a trace as CSV: the header `second,count` (or `minute,count`,
// `hour,count`, which says how long a step is), then one row a step, counted
// from 0, a step without arrivals as 0. Every fault names its line.
func ReadTrace(r io.Reader) (Trace, error) {
	t, _, err := Import(Source{Format: "paragon"}, r)
	return t, err
}

// stepReader reads Paragon's own format.
type stepReader struct {
	firstColumn
	t Trace
}

// row takes one row: the header first, then the steps in order.
func (s *stepReader) row(r Row) (header bool, err error) {
	if len(r.Cells) != 2 {
		return false, fmt.Errorf("%q does not have two columns", strings.Join(r.Cells, ","))
	}
	first, second := r.Cells[0], r.Cells[1]
	if s.t.Step == 0 {
		return true, s.header(first, second)
	}
	step, err := strconv.Atoi(first)
	if err != nil {
		return false, fmt.Errorf("step %q is not a whole number", first)
	}
	if step != len(s.t.Counts) {
		return false, fmt.Errorf("step %d, but step %d is expected: steps count from 0 without gaps", step, len(s.t.Counts))
	}
	if step >= maxSteps {
		return false, fmt.Errorf("more than %d steps", maxSteps)
	}
	c, err := count(second)
	if err != nil {
		return false, err
	}
	s.t.Counts = append(s.t.Counts, c)
	return false, nil
}

func (s *stepReader) header(first, second string) error {
	step, ok := steps[strings.ToLower(first)]
	if !ok || strings.ToLower(second) != "count" {
		return fmt.Errorf("the header is %q, not second,count (or minute,count, hour,count)", first+","+second)
	}
	s.t.Step = step
	return nil
}

func (s *stepReader) trace() (Trace, error) { return s.t, nil }

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
	if from < 0 || from >= t.Duration() {
		return Trace{}, fmt.Errorf("the window begins at %s: it must begin at 0s or later, and before the end of the trace, at %s", from, t.Duration())
	}
	if length < 0 {
		return Trace{}, fmt.Errorf("the window lasts %s: it must last 0s (until the end of the trace) or longer", length)
	}
	first, last := int(from/t.Step), len(t.Counts)
	if length > 0 && length < t.Duration()-from {
		last = int((from + length + t.Step - 1) / t.Step)
	}
	return Trace{Step: t.Step, Counts: t.Counts[first:last]}, nil
}

// WrittenStep is the step by which Write writes the trace: the longest of an
// hour, a minute and a second of which its own is a multiple, else a second.
func (t Trace) WrittenStep() time.Duration {
	for _, step := range []time.Duration{time.Hour, time.Minute} {
		if t.Step%step == 0 {
			return step
		}
	}
	return time.Second
}

// Write writes the trace as ReadTrace reads it, by seconds, minutes or hours. What
// arrives in a step of another length is spread evenly over it, at the same rate.
func (t Trace) Write(w io.Writer) error {
	step := t.WrittenStep()
	out := bufio.NewWriter(w)
	for name, s := range steps {
		if s == step {
			fmt.Fprintf(out, "%s,count\n", name)
		}
	}
	for i, c := range t.by(step).Counts {
		fmt.Fprintf(out, "%d,%s\n", i, strconv.FormatFloat(c, 'g', -1, 64))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

// by returns the trace with another step: of each step's arrivals as many fall
// into a new one as the share of the step that it covers. The last new step may
// reach beyond the trace's end.
func (t Trace) by(step time.Duration) Trace {
	if t.Step == step {
		return t
	}
	out := Trace{Step: step, Counts: make([]float64, (t.Duration()+step-1)/step)}
	for i, c := range t.Counts {
		begin := time.Duration(i) * t.Step
		end := begin + t.Step
		for at := begin; at < end; {
			k := at / step
			until := min((k+1)*step, end)
			out.Counts[k] += c * float64(until-at) / float64(t.Step)
			at = until
		}
	}
	return out
}
