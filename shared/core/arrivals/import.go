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

// Formats lists what Import reads besides Paragon's own CSV.
func Formats() []string { return []string{"paragon", "spock", "limbo", "timestamps"} }

// Import reads a trace in the format of a public source:
//
//   - paragon: `second,count` and its like, as ReadTrace;
//   - spock: `second,count,task,scaled`, without a header, as the authors of
//     Spock publish Berkeley and WITS; the count is taken, and seconds that are
//     left out had none;
//   - limbo: `time;rate` or `time,rate`, rates a second at the middle of steps
//     of equal length, as LIMBO's arrival rate models are;
//   - timestamps: a moment a line, in seconds or as RFC 3339, as Azure's traces
//     have in their first column; a header is passed over.
//
// Every fault names its line.
func Import(format string, r io.Reader) (Trace, error) {
	switch format {
	case "paragon":
		return ReadTrace(r)
	case "spock":
		return readLines(r, new(spockReader))
	case "limbo":
		return readLines(r, new(limboReader))
	case "timestamps":
		return readLines(r, new(momentReader))
	}
	return Trace{}, fmt.Errorf("import: format %q is none of %v", format, Formats())
}

// lineReader takes a source's lines in order.
type lineReader interface {
	line(number int, text string) error
	trace() (Trace, error)
}

func readLines(r io.Reader, to lineReader) (Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), 1<<16)
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		if err := to.line(n, text); err != nil {
			return Trace{}, fmt.Errorf("read trace: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return Trace{}, fmt.Errorf("read trace: line %d: %w", n+1, err)
	}
	t, err := to.trace()
	if err == nil && len(t.Counts) == 0 {
		err = fmt.Errorf("line %d: it ends without a step", max(n, 1))
	}
	if err != nil {
		return Trace{}, fmt.Errorf("read trace: %w", err)
	}
	return t, nil
}

// count reads a number of arrivals.
func count(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > maxCount {
		return 0, fmt.Errorf("%q is not a number from 0 to %.0f", text, float64(maxCount))
	}
	return v, nil
}

type spockReader struct{ t Trace }

func (s *spockReader) line(_ int, text string) error {
	cells := strings.Split(text, ",")
	if len(cells) != 4 {
		return fmt.Errorf("%q does not have four columns", text)
	}
	second, err := strconv.Atoi(strings.TrimSpace(cells[0]))
	if err != nil || second <= len(s.t.Counts) || second > maxSteps {
		return fmt.Errorf("second %q where %d or a later one is due", cells[0], len(s.t.Counts)+1)
	}
	v, err := count(cells[1])
	if err != nil {
		return err
	}
	for len(s.t.Counts) < second-1 {
		s.t.Counts = append(s.t.Counts, 0)
	}
	s.t.Counts = append(s.t.Counts, v)
	return nil
}

func (s *spockReader) trace() (Trace, error) {
	s.t.Step = time.Second
	return s.t, nil
}

type limboReader struct {
	at    []float64
	rates []float64
}

func (l *limboReader) line(_ int, text string) error {
	cells := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' })
	if len(cells) != 2 {
		return fmt.Errorf("%q does not have two columns", text)
	}
	at, err := count(cells[0])
	if err != nil {
		return err
	}
	rate, err := count(cells[1])
	if err != nil {
		return err
	}
	l.at, l.rates = append(l.at, at), append(l.rates, rate)
	if n := len(l.at); n > 2 && math.Abs((l.at[n-1]-l.at[n-2])-(l.at[1]-l.at[0])) > 1e-6*l.at[n-1] {
		return fmt.Errorf("time %v is not %v after the one before", at, l.at[1]-l.at[0])
	}
	return nil
}

func (l *limboReader) trace() (Trace, error) {
	if len(l.at) < 2 || l.at[1] <= l.at[0] {
		return Trace{}, fmt.Errorf("line 1: two moments are needed to know the step")
	}
	step := l.at[1] - l.at[0]
	t := Trace{Step: time.Duration(math.Round(step * float64(time.Second)))}
	for _, r := range l.rates {
		t.Counts = append(t.Counts, r*step)
	}
	return t, nil
}

type momentReader struct {
	first float64
	t     Trace
}

func (m *momentReader) line(number int, text string) error {
	cell, _, _ := strings.Cut(text, ",")
	at, err := moment(strings.TrimSpace(cell))
	if err != nil {
		if number == 1 {
			return nil // a header
		}
		return err
	}
	if len(m.t.Counts) == 0 {
		m.first = math.Floor(at)
	}
	i := int(math.Floor(at - m.first))
	switch {
	case i < len(m.t.Counts)-1 || i < 0:
		return fmt.Errorf("%s lies before the line above", cell)
	case i >= maxSteps:
		return fmt.Errorf("%s is more than %d seconds after the first", cell, maxSteps)
	}
	for len(m.t.Counts) <= i {
		m.t.Counts = append(m.t.Counts, 0)
	}
	m.t.Counts[i]++
	return nil
}

func (m *momentReader) trace() (Trace, error) {
	m.t.Step = time.Second
	return m.t, nil
}

// moment reads seconds or a date and time.
func moment(text string) (float64, error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return v, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.9999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.UnixNano()) / 1e9, nil
		}
	}
	return 0, fmt.Errorf("%q is neither seconds nor a date and time", text)
}
