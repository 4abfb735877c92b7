package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/intake"
)

// maxDepth is how deeply a request may nest: the data of a tensor of eight
// dimensions lies four levels down.
const maxDepth = 12

// fields maps the names of a JSON object's fields to what takes their values.
type fields map[string]func(value json.RawMessage) error

// decodeObject decodes one JSON object by a table of its fields. Unlike
// encoding/json it refuses a field that comes twice and names written in other
// letters, and every error names the field by its whole path. A field that is
// null counts as left out, whatever its name. The depth of raw must have been
// checked.
func decodeObject(raw []byte, path string, f fields) error {
	return decodeMembers(raw, path, f, func(name string) error { return noField(path, name, f) })
}

// noField refuses a member that f does not have.
func noField(path, name string, f fields) error {
	return refuse(unknownField, join(path, clip(name)), "does not exist; the fields are %s", fieldNames(f))
}

// fieldNames lists the names that a table has.
func fieldNames[V any](table map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

// decodeOpen is decodeObject for an object of the Open Inference Protocol, whose
// clients send members of other servers and later versions: those are left out.
func decodeOpen(raw []byte, path string, f fields) error {
	return decodeMembers(raw, path, f, func(string) error { return nil })
}

// decodeMembers decodes an object; unknown is called with the name of each
// member that f does not have.
func decodeMembers(raw []byte, path string, f fields, unknown func(name string) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil {
		return syntax(err)
	} else if t != json.Delim('{') {
		return refuse(badField, path, "is not a JSON object")
	}
	seen := make(map[string]bool, len(f))
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return syntax(err)
		}
		name, _ := t.(string)
		take, known := f[name]
		if known && seen[name] {
			return refuse(duplicateField, join(path, name), "is given twice")
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return syntax(err)
		}
		switch {
		case string(value) == "null":
		case !known:
			err = unknown(name)
		default:
			err = take(value)
		}
		if err != nil {
			return err
		}
	}
	return closed(d)
}

// closed reads the end of an object, and wants nothing behind it.
func closed(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return syntax(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(badJSON, "", "the body has more text after the JSON value")
	}
	return nil
}

func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(badJSON, "", "the JSON ends too early")
	}
	return refuse(badJSON, "", "the body is not JSON: %v", err)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// text takes a string.
func text[S ~string](path string, to *S) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return refuse(badField, path, "is not a string")
		}
		*to = S(s)
		return nil
	}
}

// number takes a number that float64 can hold.
func number(path string, kind intake.Kind, to **float64) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var x float64
		if err := json.Unmarshal(raw, &x); err != nil {
			return refuse(kind, path, "is not a number")
		}
		*to = &x
		return nil
	}
}

// checkDepth refuses JSON that nests too deeply, before any of it is parsed.
func checkDepth(raw []byte, most int) error {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				bound := float64(most)
				return &intake.Refusal{Kind: tooDeep, Detail: fmt.Sprintf("the JSON has more than %d levels of nested objects and lists", most), Bound: &bound}
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
