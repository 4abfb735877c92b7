package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Milliseconds writes a duration with the digits that matter, in the unit that
// people read it in.
func Milliseconds(ms float64) string {
	const second, minute, hour = 1000, 60_000, 3_600_000
	switch {
	case ms > 0 && ms < 0.001:
		return "less than 0.001 ms"
	case ms > 0 && ms < 0.01:
		return fmt.Sprintf("%.3f ms", ms)
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < second:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 10*second:
		return fmt.Sprintf("%.2f s", ms/second)
	case ms < 2*minute:
		return fmt.Sprintf("%.1f s", ms/second)
	case ms < 2*hour:
		return fmt.Sprintf("%.1f min", ms/minute)
	}
	return fmt.Sprintf("%.1f h", ms/hour)
}

// Number writes a number without an exponent, with the given number of significant digits; from
// 1000 on it is whole, in groups of three digits.
func Number(x float64, digits int) string {
	if math.Abs(x) < 1000 {
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	whole := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if x < 0 {
		return "-" + whole
	}
	return whole
}

// OneLine keeps what others wrote from breaking the terminal: control
// characters become spaces.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// wrapColumns is how long a line is that Wrap makes.
const wrapColumns = 120

// Wrap breaks a line between words into lines of at most wrapColumns characters, of
// which all but the first are indented by indent spaces.
func Wrap(line string, indent int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(line, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column > indent && column+1+n > wrapColumns:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// Duration is a length of time on the command line: a number of seconds, or with
// units, such as 90, 1h30m.
type Duration struct{ *time.Duration }

// DurationValue is a flag that sets a length of time.
func DurationValue(d *time.Duration) Duration { return Duration{d} }

// String is "0" for no time, which the help then does not print as a default.
func (d Duration) String() string {
	switch {
	case d.Duration == nil:
		return ""
	case *d.Duration == 0:
		return "0"
	}
	return d.Duration.String()
}

// Type is what the help calls it.
func (d Duration) Type() string { return "duration" }

// longest is the longest length of time that a flag takes.
const longest = 1_000_000_000 * time.Second

// Set reads it. It is an error that it is negative, above longest or neither.
func (d Duration) Set(text string) error {
	withUnit := text
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		withUnit += "s"
	}
	switch parsed, err := time.ParseDuration(withUnit); {
	case err != nil:
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 1h30m", text)
	case parsed < 0 || parsed > longest:
		return fmt.Errorf("%s is not within 0 to %.0f seconds", text, longest.Seconds())
	default:
		*d.Duration = parsed
		return nil
	}
}
