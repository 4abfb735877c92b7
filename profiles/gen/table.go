package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// table is a published CSV file.
type table struct {
	file    string // below the profiles folder
	columns []string
	rows    [][]string
	err     error // the first that occurred
}

func readTable(dir, file string) (*table, error) {
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: is empty", file)
	}
	return &table{file: file, columns: all[0], rows: all[1:]}, nil
}

// text returns a cell; a missing column or number is remembered in t.err.
func (t *table) text(row []string, column string) string {
	i := slices.Index(t.columns, column)
	if i < 0 {
		t.fail(fmt.Errorf("%s: no column %q", t.file, column))
		return ""
	}
	return row[i]
}

func (t *table) number(row []string, column string) float64 {
	x, err := strconv.ParseFloat(t.text(row, column), 64)
	if err != nil {
		t.fail(fmt.Errorf("%s: column %q: %w", t.file, column, err))
	}
	return x
}

func (t *table) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// where returns the rows whose columns have these values, written as
// "column=value,column=value".
func (t *table) where(selector string) [][]string {
	var found [][]string
	for _, row := range t.rows {
		if t.matches(row, selector) {
			found = append(found, row)
		}
	}
	return found
}

func (t *table) matches(row []string, selector string) bool {
	for pair := range strings.SplitSeq(selector, ",") {
		column, value, _ := strings.Cut(pair, "=")
		if t.text(row, column) != value {
			return false
		}
	}
	return true
}

// cell returns the number in the one row of a selector.
func (t *table) cell(selector, column string) float64 {
	rows := t.where(selector)
	if len(rows) != 1 {
		t.fail(fmt.Errorf("%s: %d rows have %s, not one", t.file, len(rows), selector))
		return 0
	}
	return t.number(rows[0], column)
}

// published names a cell as a figure's source.
func (t *table) published(selector, column, date string) profile.Source {
	return profile.Source{Kind: "published", File: t.file, Row: selector, Column: column, Date: date}
}

// derived names a cell as what a figure was made from, by a factor and a rule.
func (t *table) derived(selector, column, date string, factor float64, rule string) profile.Source {
	s := t.published(selector, column, date)
	s.Kind, s.Factor, s.Note = "derived", factor, rule
	return s
}

func readJSON(dir, file string, into any) error {
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
