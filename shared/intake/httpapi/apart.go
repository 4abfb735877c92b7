package httpapi

import (
	"bytes"
	"encoding/base64"

	"github.com/paragon-serving/paragon/shared/intake"
)

const (
	// leastApart is from how many bytes on a string is decoded apart from its body.
	leastApart = 4 << 10
	// placeholder is a string that a request with data cannot have: it is no base64, has no
	// escapes, and names nothing.
	placeholder = "~data apart~"
)

// decodeApart is decodeRequest of a body with one long string, its data. The JSON decoder goes
// through a string seven times, byte by byte: with 350 KB it takes 15 ms of a core, for which the
// queries of other callers wait. So the string is decoded by itself, and the decoder gets a
// short one in its place. It is false where that cannot be done, and where anything is
// wrong with the body.
func decodeApart(body []byte) (r intake.Request, ok bool) {
	from, to, ok := longString(body)
	if !ok || bytes.IndexByte(body[from:to], '\n') >= 0 || bytes.IndexByte(body[from:to], '\r') >= 0 { // which base64 passes over, and JSON does not have
		return r, false
	}
	short := make([]byte, 0, len(body)-(to-from)+len(placeholder))
	short = append(append(short, body[:from]...), body[to:]...)
	if bytes.Contains(short, []byte(placeholder)) || bytes.IndexByte(short, '\\') >= 0 { // nothing else may read as the placeholder
		return r, false
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(to-from))
	n, err := base64.StdEncoding.Decode(data, body[from:to])
	if err != nil {
		return r, false
	}
	short = append(append(append(short[:0], body[:from]...), placeholder...), body[to:]...)
	r, err = decodeWith(short, data[:n])
	return r, err == nil && len(r.Input.Data) == n && &r.Input.Data[0] == &data[0]
}

// longString finds the first string of at least leastApart bytes in JSON, between its quotes,
// if no string before it has an escape.
func longString(body []byte) (from, to int, ok bool) {
	for {
		quote := bytes.IndexByte(body[to:], '"')
		if quote < 0 {
			return 0, 0, false
		}
		from = to + quote + 1
		length := bytes.IndexByte(body[from:], '"')
		if length < 0 {
			return 0, 0, false
		}
		if to = from + length; bytes.IndexByte(body[from:to], '\\') >= 0 {
			return 0, 0, false
		}
		if length >= leastApart {
			return from, to, true
		}
		to++
	}
}

// decodeItems is decodeList without the JSON decoder going through all strings of the list
// before those of each item. It is false where that cannot be done, and where anything is
// wrong with the list or an item.
func decodeItems(body []byte) ([]decoded, bool) {
	items, ok := splitList(body)
	if !ok || len(items) > maxItems {
		return nil, false
	}
	out := make([]decoded, len(items))
	for i, raw := range items {
		var err error
		if out[i].Request, err = decodeRequest(raw); err != nil {
			return nil, false
		}
	}
	return out, true
}

// splitList splits a body that begins as a list at the list's commas. It is false for one that is
// no list, that nests too deeply, or that has an escape. The list is JSON if each item is.
func splitList(body []byte) (items [][]byte, ok bool) {
	depth, from := 0, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			length := bytes.IndexByte(body[i+1:], '"')
			if length < 0 || bytes.IndexByte(body[i+1:i+1+length], '\\') >= 0 {
				return nil, false
			}
			i += length + 1
		case '[', '{':
			if depth++; depth > maxDepth {
				return nil, false
			}
			if depth == 1 {
				from = i + 1
			}
		case ']', '}':
			if depth--; depth <= 0 {
				return append(items, body[from:i]), depth == 0 && c == ']' && len(bytes.TrimLeft(body[i+1:], " \t\r\n")) == 0
			}
		case ',':
			if depth == 1 {
				items, from = append(items, body[from:i]), i+1
			}
		}
	}
	return nil, false
}
