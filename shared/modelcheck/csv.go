package modelcheck

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// mostCSVBytes bounds a file of labeled texts.
const mostCSVBytes = 1 << 30

// ReadCSV reads the labeled texts of a file, a label and a text on each line, with the
// file's SHA-256. Errors name the line.
func ReadCSV(file string) (items []Item, digest string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	sum := sha256.New()
	in := csv.NewReader(io.TeeReader(io.LimitReader(f, mostCSVBytes), sum))
	in.FieldsPerRecord = 2
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return items, hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
		line, _ := in.FieldPos(0)
		name := fmt.Sprintf("%s line %d", file, line)
		if !utf8.ValidString(record[1]) {
			return nil, "", fmt.Errorf("%s is not UTF-8", name)
		}
		items = append(items, Item{Name: name, Label: record[0], Load: func() (query.Input, error) {
			return query.Input{ContentType: query.TextType, Data: []byte(record[1])}, nil
		}})
	}
}
