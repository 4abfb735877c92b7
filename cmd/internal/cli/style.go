package cli

import (
	"bytes"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// The escape sequences (ECMA-48, select graphic rendition) that a Style writes.
const (
	bold    = "\x1b[1m"
	red     = "\x1b[31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	asUsual = "\x1b[0m"
)

// Style marks text with colors where the reader's terminal shows them. Its zero
// value leaves text as it is.
type Style struct{ coloured bool }

// Good is text of something in order, in green.
func (s Style) Good(text string) string { return s.in(green, text) }

// Warn is text of something to be looked at, in yellow.
func (s Style) Warn(text string) string { return s.in(yellow, text) }

// Bad is text of a fault, in red.
func (s Style) Bad(text string) string { return s.in(red, text) }

// Bold is text that stands out, such as a heading.
func (s Style) Bold(text string) string { return s.in(bold, text) }

func (s Style) in(sequence, text string) string {
	if !s.coloured || text == "" {
		return text
	}
	return sequence + text + asUsual
}

// Style is that of the standard output.
func (t *Terminal) Style() Style { return t.styleOf(t.Out) }

// styleOf decides whether what is written somewhere has colors: on a terminal, unless
// NO_COLOR or TERM=dumb say otherwise (https://no-color.org), and anywhere if
// CLICOLOR_FORCE says so (https://bixense.com/clicolors).
func (t *Terminal) styleOf(w io.Writer) Style {
	force := t.Env("CLICOLOR_FORCE")
	switch {
	case t.Env("NO_COLOR") != "":
		return Style{}
	case force != "" && force != "0":
		return Style{coloured: true}
	}
	return Style{coloured: t.movesCursor(w)}
}

// movesCursor says whether escape sequences do something where text is written.
func (t *Terminal) movesCursor(w io.Writer) bool { return t.Env("TERM") != "dumb" && IsTerminal(w) }

// Clear begins a new page: an empty screen on a terminal, and nothing elsewhere.
func (t *Terminal) Clear() {
	if t.movesCursor(t.Out) {
		t.Printf("\x1b[H\x1b[2J")
	}
}

// Table aligns columns whose cells a tab ends, as text/tabwriter does, two spaces apart.
// Its Style's escape sequences have no width. What is written comes out with Flush.
type Table struct {
	Style
	to   io.Writer
	text bytes.Buffer
}

// Table is a table on the standard output.
func (t *Terminal) Table() *Table { return &Table{Style: t.Style(), to: t.Out} }

// Write adds text; it does not fail.
func (t *Table) Write(text []byte) (int, error) { return t.text.Write(text) }

// Header adds a line with the names of the columns.
func (t *Table) Header(columns string) { t.text.WriteString(t.Bold(columns) + "\n") }

// Flush aligns what was written since the last time, and prints it.
func (t *Table) Flush() error {
	plain, marks := t.text.Bytes(), []mark(nil)
	if t.coloured {
		plain, marks = withoutMarks(plain)
	}
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	if _, err := w.Write(plain); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t.text.Reset()
	_, err := t.to.Write(withMarks(aligned.Bytes(), marks))
	return err
}

// mark is an escape sequence within a text, with the number of visible characters before it: aligning
// a text changes nothing but the blanks between these.
type mark struct {
	after    int
	sequence string
}

func visible(r rune) bool { return r > ' ' }

// withoutMarks takes the escape sequences of a Style out of a text.
func withoutMarks(text []byte) (plain []byte, marks []mark) {
	seen := 0
	for len(text) > 0 {
		if end := bytes.IndexByte(text, 'm'); bytes.HasPrefix(text, []byte("\x1b[")) && end > 0 {
			marks = append(marks, mark{seen, string(text[:end+1])})
			text = text[end+1:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		if visible(r) {
			seen++
		}
		plain, text = append(plain, text[:size]...), text[size:]
	}
	return plain, marks
}

// withMarks puts escape sequences back: one that ends a style right behind the last
// character of it, any other right before the first one.
func withMarks(text []byte, marks []mark) []byte {
	if len(marks) == 0 {
		return text
	}
	var out []byte
	seen := 0
	put := func(wanted func(string) bool) {
		for len(marks) > 0 && marks[0].after == seen && wanted(marks[0].sequence) {
			out, marks = append(out, marks[0].sequence...), marks[1:]
		}
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if visible(r) {
			put(func(string) bool { return true })
			seen++
		}
		out, text = append(out, text[:size]...), text[size:]
		put(func(sequence string) bool { return sequence == asUsual })
	}
	return out
}

// boldHeadings makes the headings of a template of cobra's help bold.
func (s Style) boldHeadings(template string) string {
	if !s.coloured {
		return template
	}
	var pairs []string
	for _, heading := range []string{"Usage:", "Aliases:", "Examples:", "Available Commands:", "{{.Title}}", "Additional Commands:", "Global Flags:", "Flags:", "Additional help topics:"} {
		pairs = append(pairs, "\n"+heading, "\n"+s.Bold(heading))
	}
	return strings.TrimPrefix(strings.NewReplacer(pairs...).Replace("\n"+template), "\n")
}
