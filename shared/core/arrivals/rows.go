package arrivals

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Row is a line of CSV with anything in it.
type Row struct {
	Line  int // counted from 1
	Cells []string
}

// maxRow bounds a row, in bytes: a wrong file has none, and would fill the memory.
const maxRow = 1 << 20

// Rows reads CSV as all formats of traces have it: the separator is a comma, a
// semicolon or a tab, whichever comes first; cells may be quoted (RFC 4180);
// a byte order mark is dropped, and so are blank lines and the blanks around
// cells. It ends with the first error, which names its line.
func Rows(r io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		from := &bounded{from: r, left: maxRow}
		lines, err := opened(from)
		if err != nil {
			yield(Row{}, fmt.Errorf("line 1: %w", err))
			return
		}
		for line := 0; ; {
			cells, err := lines.Read()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Row{}, lineError(line, err))
				return
			}
			from.left = maxRow
			line, _ = lines.FieldPos(0)
			for i, c := range cells {
				cells[i] = strings.TrimSpace(c)
			}
			if slices.ContainsFunc(cells, func(c string) bool { return c != "" }) && !yield(Row{line, cells}, nil) {
				return
			}
		}
	}
}

// opened looks at the beginning of a file: for a byte order mark, and for what
// separates its cells.
func opened(from io.Reader) (*csv.Reader, error) {
	const peek = 4096
	b := bufio.NewReaderSize(from, peek)
	head, err := b.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, _ = b.Discard(len("\ufeff")) // it was peeked at
		head = head[len("\ufeff"):]
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	lines := csv.NewReader(b)
	lines.Comma, lines.FieldsPerRecord, lines.TrimLeadingSpace = separator(head), -1, true
	return lines, nil
}

// separator is the first of the separators that stands outside quotes on the
// first line with anything on it; a comma when there is none.
func separator(head []byte) rune {
	quoted := false
	for _, c := range bytes.TrimLeft(head, " \r\n") {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',' || c == ';' || c == '\t':
			return rune(c)
		case c == '\n':
			return ','
		}
	}
	return ','
}

// lineError names the line of an error, which came behind a line.
func lineError(behind int, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("line %d: %w", p.StartLine, p.Err)
	}
	return fmt.Errorf("line %d: %w", behind+1, err)
}

// errLong is what a row that never ends is read as.
var errLong = fmt.Errorf("is longer than %d bytes", maxRow)

// bounded reads a bounded number of bytes before it is topped up.
type bounded struct {
	from io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
