package arrivals

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Units are what numbers of a trace may count since any moment.
func Units() []string { return []string{"s", "ms", "us", "ns"} }

var units = map[string]time.Duration{"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}

// momentParser reads moments, in nanoseconds: dates and times since 1970, and
// numbers in its unit since whatever they count from.
type momentParser struct {
	unit   time.Duration // 0 until it is known
	layout int           // of the last date, which the next one mostly has too
}

// parse reads a number, or a date and time.
func (m *momentParser) parse(text string) (nanoseconds int64, err error) {
	if at, ok := m.date(text); ok {
		return at, nil
	}
	whole, fraction, ok := decimal(text)
	if !ok {
		return 0, fmt.Errorf("%q is neither a number nor a date and time", text)
	}
	if m.unit == 0 {
		m.unit = unitOf(whole)
	}
	if whole > math.MaxInt64/int64(m.unit)-1 || whole < -math.MaxInt64/int64(m.unit)+1 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	// A fraction close to 1 must not become the next whole number.
	part := min(max(math.Round(fraction*float64(m.unit)), 1-float64(m.unit)), float64(m.unit)-1)
	return whole*int64(m.unit) + int64(part), nil
}

// decimal parts a number into what stands before and behind the point, so that
// no digit of a large one is lost.
func decimal(text string) (whole int64, fraction float64, ok bool) {
	digits, behind, _ := strings.Cut(text, ".")
	whole, err := strconv.ParseInt(digits, 10, 64)
	f, fault := strconv.ParseFloat("0."+behind+"0", 64)
	if err == nil && fault == nil && f < 1 {
		if strings.HasPrefix(digits, "-") {
			f = -f
		}
		return whole, f, true
	}
	x, err := strconv.ParseFloat(text, 64) // .5 and 1e3
	if err != nil || !(math.Abs(x) < 1e18) {
		return 0, 0, false
	}
	w, f := math.Modf(x)
	return int64(w), f, true
}

// unitOf is the unit of a number that counts since 1970, by how large it is: in
// seconds the smallest number of milliseconds would lie in the year 5138. A small
// number counts seconds.
func unitOf(first int64) time.Duration {
	switch {
	case first >= 1e17:
		return time.Nanosecond
	case first >= 1e14:
		return time.Microsecond
	case first >= 1e11:
		return time.Millisecond
	}
	return time.Second
}

// layouts are dates and times as ISO 8601 and its relatives write them, with a
// blank for T and hyphens for slashes. Any fraction may follow the seconds.
var layouts = func() (out []string) {
	for _, day := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		for _, zone := range []string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " Z0700", " Z07"} {
			out = append(out, day+zone)
		}
	}
	return out
}()

// date reads a date and time, UTC where no offset is given.
func (m *momentParser) date(text string) (int64, bool) {
	const day = len("2006-01-02")
	if len(text) < day || text[4] != '-' && text[4] != '/' {
		return 0, false
	}
	b := []byte(text)
	if b[4] == '/' && b[7] == '/' {
		b[4], b[7] = '-', '-'
	}
	if len(b) > day && (b[day] == 'T' || b[day] == 't') {
		b[day] = ' '
	}
	if last := len(b) - 1; b[last] == 'z' {
		b[last] = 'Z'
	}
	text = string(b)
	for _, zone := range []string{"UTC", "GMT"} {
		if left, ok := strings.CutSuffix(text, zone); ok {
			text = strings.TrimSpace(left)
		}
	}
	for i := range layouts {
		k := (m.layout + i) % len(layouts)
		if t, err := time.Parse(layouts[k], text); err == nil && t.Year() >= 1678 && t.Year() < 2262 {
			m.layout = k
			return t.UnixNano(), true
		}
	}
	return 0, false
}
