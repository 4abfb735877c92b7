package arrivals

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// headed reports whether a file's first row is a header: its first cell does not
// begin like a number or a date.
func headed(first Row) bool {
	cell := strings.TrimLeft(first.Cells[0], "+-.")
	return cell == "" || cell[0] < '0' || cell[0] > '9'
}

// column finds the column of moments: the one that was asked for, by its name or
// its number from 1 on; else the one whose name says that it is; without a header
// the only one with dates, or the first.
func column(asked string, first Row) (int, error) {
	named := headed(first)
	switch {
	case asked != "":
		return askedColumn(asked, first, named)
	case named:
		return namedColumn(first)
	}
	var dates []int
	for i, c := range first.Cells {
		if _, ok := new(momentParser).date(c); ok {
			dates = append(dates, i)
		}
	}
	switch {
	case len(dates) == 0 || dates[0] == 0:
		return 0, nil
	case len(dates) > 1:
		return 0, fmt.Errorf("columns %d and %d both contain dates: name one with --column", dates[0]+1, dates[1]+1)
	}
	return dates[0], nil
}

func askedColumn(asked string, first Row, named bool) (int, error) {
	if named {
		if i := slices.IndexFunc(first.Cells, func(c string) bool { return strings.EqualFold(c, asked) }); i >= 0 {
			return i, nil
		}
	}
	n, err := strconv.Atoi(asked)
	switch {
	case err == nil && n >= 1 && n <= len(first.Cells):
		return n - 1, nil
	case err == nil:
		return 0, fmt.Errorf("there is no column %d: there are %d", n, len(first.Cells))
	case !named:
		return 0, fmt.Errorf("the file has no header, so there is no column %q: give the number of the column", asked)
	}
	return 0, fmt.Errorf("there is no column %q, only %s", asked, strings.Join(first.Cells, ", "))
}

// timeNames are names of columns of moments, the likelier before the others. A
// name of several words counts by any of them, behind those that are the name.
var timeNames = []string{"timestamp", "arrival", "arrived", "ts", "datetime", "time", "date", "submitted", "created", "started", "start", "second", "seconds", "t", "epoch", "moment", "when"}

// otherTimes are words that make of a time something else than an arrival.
var otherTimes = []string{"end", "ended", "finish", "finished", "completed", "completion", "duration", "latency", "response", "processing",
	"execution", "service", "run", "running", "wait", "waiting", "queue", "compute", "taken", "spent", "zone", "out", "timeout", "first", "last", "to"}

// namedColumn finds the one column whose name says that it holds moments.
func namedColumn(header Row) (int, error) {
	best, rank := []int(nil), len(timeNames)*2
	for i, name := range header.Cells {
		switch r := rankOf(name); {
		case r < rank:
			best, rank = []int{i}, r
		case r == rank && r < len(timeNames)*2:
			best = append(best, i)
		}
	}
	switch len(best) {
	case 1:
		return best[0], nil
	case 0:
		return 0, fmt.Errorf("no column of the header has the name of a time (%s): name the column with --column", strings.Join(header.Cells, ", "))
	}
	return 0, fmt.Errorf("several columns of the header have the name of a time (%s, %s): name one with --column", header.Cells[best[0]], header.Cells[best[1]])
}

// rankOf says how likely a column is that of arrivals, from 0, the likeliest;
// twice the number of names when it is none.
func rankOf(name string) int {
	none := 2 * len(timeNames)
	parts := words(name)
	if i := slices.Index(timeNames, strings.Join(parts, "")); i >= 0 {
		return i
	}
	rank := none
	for _, w := range parts {
		if slices.Contains(otherTimes, w) {
			return none
		}
		if i := slices.Index(timeNames, w); i >= 0 {
			rank = min(rank, len(timeNames)+i)
		}
	}
	return rank
}

// words are the words of a column's name, in small letters and without the unit:
// of arrival_time_ms, ArrivalTime and "Arrival time (s)" they are arrival and time.
func words(name string) []string {
	out := split(name)
	if n := len(out) - 1; n > 0 && unitNamed(out[n]) != 0 {
		out = out[:n]
	}
	return out
}

// split parts a name into words, in small letters, with its unit.
func split(name string) []string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) })
}

// unitNamed is the unit that a word means; 0 when it means none.
func unitNamed(word string) time.Duration {
	switch word {
	case "s", "sec", "secs", "second", "seconds":
		return time.Second
	case "ms", "msec", "millis", "millisecond", "milliseconds":
		return time.Millisecond
	case "us", "µs", "μs", "usec", "micros", "microsecond", "microseconds":
		return time.Microsecond
	case "ns", "nsec", "nanos", "nanosecond", "nanoseconds":
		return time.Nanosecond
	}
	return 0
}

// unitIn is the unit at the end of a column's name; 0 when there is none.
func unitIn(name string) time.Duration {
	parts := split(name)
	if len(parts) == 0 {
		return 0
	}
	return unitNamed(parts[len(parts)-1])
}
