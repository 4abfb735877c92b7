package arrivals

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Formats lists what Import reads, Paragon's own first.
func Formats() []string { return []string{"paragon", "spock", "limbo", "timestamps"} }

// Source says how a file of arrivals is to be read.
type Source struct {
	// Format is one of Formats:
	//   - paragon: `second,count` and its like, as ReadTrace;
	//   - spock: `second,count,task,scaled`, without a header, as the authors of
	//     Spock publish Berkeley and WITS; the count is taken, and seconds that are
	//     left out had none;
	//   - limbo: `time;rate` or `time,rate`, rates a second at the middle of steps
	//     of equal length, as LIMBO's arrival rate models are;
	//   - timestamps: a row for each arrival, with its moment in one column.
	Format string
	// Column is the name of the column of moments, or its number from 1 on; empty
	// for the one that is named so, or holds dates, or is the first. Of timestamps.
	Column string
	// Unit is what numbers count, one of Units; empty for what the column's name
	// says, or the size of a number since 1970, or seconds. Of timestamps.
	Unit string
}

// Understood is what Import took a file for.
type Understood struct {
	Format      string
	Column      string // of the moments or steps: its name, or its number
	Unit        string // of moments that are numbers
	Rows        int    // without the header
	First, Last string // moments or steps, as the file has them
}

// String is a line about it.
func (u Understood) String() string {
	unit := ""
	if u.Unit != "" {
		unit = " in " + u.Unit
	}
	return fmt.Sprintf("%s, column %s%s: %d rows, from %s to %s", u.Format, u.Column, unit, u.Rows, u.First, u.Last)
}

// Import reads a trace, and says what it took the file for. Every fault names its
// line.
func Import(s Source, r io.Reader) (Trace, Understood, error) {
	to, err := s.reader()
	if err != nil {
		return Trace{}, Understood{}, fmt.Errorf("import: %w", err)
	}
	u := Understood{Format: s.Format}
	line, at := 1, 0
	for row, err := range Rows(r) {
		if err != nil {
			return Trace{}, u, fmt.Errorf("read trace: %w", err)
		}
		if line = row.Line; at >= len(row.Cells) {
			return Trace{}, u, fmt.Errorf("read trace: line %d: has %d columns, but the time is in column %d", line, len(row.Cells), at+1)
		}
		header, err := to.row(row)
		if err != nil {
			return Trace{}, u, fmt.Errorf("read trace: line %d: %w", line, err)
		}
		at = to.at()
		if header {
			u.Column = strconv.Quote(row.Cells[at])
			continue
		}
		if u.Rows++; u.Rows == 1 {
			u.First = row.Cells[at]
		}
		u.Last = row.Cells[at]
	}
	if u.Column == "" {
		u.Column = strconv.Itoa(at + 1)
	}
	t, err := to.trace()
	if err == nil && len(t.Counts) == 0 {
		err = fmt.Errorf("line %d: the trace ends without a row", line)
	}
	if err != nil {
		return Trace{}, u, fmt.Errorf("read trace: %w", err)
	}
	if m, ok := to.(*momentReader); ok {
		u.Unit = m.unitName()
	}
	return t, u, nil
}

// rowReader takes a source's rows in order.
type rowReader interface {
	// row takes a row, and reports whether it was a header.
	row(Row) (header bool, err error)
	// at is the index of the column of moments or steps, known after a row.
	at() int
	trace() (Trace, error)
}

func (s Source) reader() (rowReader, error) {
	if (s.Column != "" || s.Unit != "") && s.Format != "timestamps" {
		return nil, fmt.Errorf("a column and a unit are only for the format timestamps, not for %s", s.Format)
	}
	switch s.Format {
	case "paragon":
		return new(stepReader), nil
	case "spock":
		return new(spockReader), nil
	case "limbo":
		return new(limboReader), nil
	case "timestamps":
		if s.Unit != "" && units[s.Unit] == 0 {
			return nil, fmt.Errorf("unit %q is none of %v", s.Unit, Units())
		}
		return &momentReader{asked: s.Column, parser: momentParser{unit: units[s.Unit]}}, nil
	}
	return nil, fmt.Errorf("format %q is none of %v", s.Format, Formats())
}

// firstColumn is of formats whose steps stand in the first column.
type firstColumn struct{}

func (firstColumn) at() int { return 0 }

// count reads how many arrivals there were.
func count(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > maxCount {
		return 0, fmt.Errorf("count %q is not a number from 0 to %.0f", text, float64(maxCount))
	}
	return v, nil
}

type spockReader struct {
	firstColumn
	t Trace
}

func (s *spockReader) row(r Row) (bool, error) {
	if len(r.Cells) != 4 {
		return false, fmt.Errorf("%q does not have four columns", strings.Join(r.Cells, ","))
	}
	second, err := strconv.Atoi(r.Cells[0])
	if err != nil || second <= len(s.t.Counts) || second > maxSteps {
		return false, fmt.Errorf("second %q, but second %d or a later one is expected", r.Cells[0], len(s.t.Counts)+1)
	}
	v, err := count(r.Cells[1])
	if err != nil {
		return false, err
	}
	for len(s.t.Counts) < second-1 {
		s.t.Counts = append(s.t.Counts, 0)
	}
	s.t.Counts = append(s.t.Counts, v)
	return false, nil
}

func (s *spockReader) trace() (Trace, error) {
	s.t.Step = time.Second
	return s.t, nil
}

type limboReader struct {
	firstColumn
	parser momentParser
	moment []int64 // nanoseconds
	rates  []float64
	begun  bool
}

func (l *limboReader) row(r Row) (header bool, err error) {
	if len(r.Cells) != 2 {
		return false, fmt.Errorf("%q does not have two columns", strings.Join(r.Cells, ","))
	}
	first := !l.begun
	l.begun = true
	if first && headed(r) {
		if rankOf(r.Cells[0]) == rankOf("") {
			return false, fmt.Errorf("the first column of the header is %q, not a time", r.Cells[0])
		}
		return true, nil
	}
	at, err := l.parser.parse(r.Cells[0])
	if err != nil {
		return false, err
	}
	rate, err := count(r.Cells[1])
	if err != nil {
		return false, err
	}
	l.moment, l.rates = append(l.moment, at), append(l.rates, rate)
	n := len(l.moment)
	if n > maxSteps {
		return false, fmt.Errorf("more than %d steps", maxSteps)
	}
	if n > 2 && math.Abs(float64(l.moment[n-1]-l.moment[n-2]-l.step())) > 1e-6*float64(at-l.moment[0]) {
		return false, fmt.Errorf("time %s is not %s after the previous time", r.Cells[0], time.Duration(l.step()))
	}
	return false, nil
}

// step is how long the first step is, in nanoseconds.
func (l *limboReader) step() int64 { return l.moment[1] - l.moment[0] }

func (l *limboReader) trace() (Trace, error) {
	if len(l.moment) < 2 || l.step() <= 0 {
		return Trace{}, fmt.Errorf("line 1: two times are needed to compute the length of a step")
	}
	t := Trace{Step: time.Duration(l.step()), Counts: slices.Clone(l.rates)}
	for i := range t.Counts {
		t.Counts[i] *= t.Step.Seconds()
	}
	return t, nil
}

// momentReader counts the moments of a column by the second.
type momentReader struct {
	asked  string // the column that was asked for
	parser momentParser
	column int
	begun  bool
	number bool  // the moments are numbers
	first  int64 // second of the first moment
	t      Trace
}

func (m *momentReader) at() int { return m.column }

func (m *momentReader) row(r Row) (header bool, err error) {
	if !m.begun {
		m.begun = true
		if m.column, err = column(m.asked, r); err != nil {
			return false, err
		}
		if headed(r) {
			if m.parser.unit == 0 {
				m.parser.unit = unitIn(r.Cells[m.column])
			}
			return true, nil
		}
	}
	cell := r.Cells[m.column]
	nanoseconds, err := m.parser.parse(cell)
	if err != nil {
		return false, err
	}
	return false, m.add(nanoseconds, cell)
}

// add counts an arrival.
func (m *momentReader) add(nanoseconds int64, cell string) error {
	const second = int64(time.Second)
	at := nanoseconds / second
	if nanoseconds%second < 0 {
		at--
	}
	if len(m.t.Counts) == 0 {
		m.first = at
		_, date := new(momentParser).date(cell)
		m.number = !date
	}
	i := int(at - m.first)
	switch {
	case i < len(m.t.Counts)-1 || i < 0:
		return fmt.Errorf("%s is earlier than the previous line", cell)
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

// unitName is the unit of moments that are numbers.
func (m *momentReader) unitName() string {
	for name, unit := range units {
		if m.number && unit == m.parser.unit {
			return name
		}
	}
	return ""
}
