package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// maxInput bounds what is read of one input, in bytes: more than any server takes inline.
const maxInput = 16 << 20

// magics identify pictures by their first bytes, whatever their name says.
var magics = []struct{ first, contentType string }{
	{"\x89PNG\r\n\x1a\n", preprocess.PNG},
	{"\xff\xd8\xff", preprocess.JPEG},
}

// ReadInput reads a picture, a text, a raw tensor or the tensors of a request from a file, or from stdin when it
// is named "-".
func (t *Terminal) ReadInput(name string) (query.Input, error) {
	if name == "-" {
		return InputOf("standard input", t.In)
	}
	f, err := os.Open(name)
	if err != nil {
		return query.Input{}, Mistake(err) // names the file and what was attempted
	}
	defer f.Close()
	return InputOf(name, f)
}

// InputOf reads an input and finds out what it is.
func InputOf(name string, r io.Reader) (query.Input, error) {
	data, err := ReadBounded(name, r)
	if err != nil {
		return query.Input{}, err
	}
	return TypeOf(name, data)
}

// ReadBounded reads what an input may hold at most; more is an error.
func ReadBounded(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxInput {
		return nil, Usagef("%s is larger than %d MB", name, maxInput>>20)
	}
	return data, nil
}

// TypeOf finds out what an input is, by its name and its first bytes.
func TypeOf(name string, data []byte) (query.Input, error) {
	if strings.EqualFold(filepath.Ext(name), ".f32") {
		return query.Input{ContentType: preprocess.RawTensor, Data: data}, nil
	}
	if inputs, err := requestInputs(data); err != nil {
		return query.Input{}, Usagef("%s: %v", name, err)
	} else if len(inputs) > 0 {
		return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(inputs)}, nil
	}
	if strings.EqualFold(filepath.Ext(name), ".txt") || isText(data) {
		return query.Input{ContentType: query.TextType, Data: data}, nil
	}
	for _, m := range magics {
		if bytes.HasPrefix(data, []byte(m.first)) {
			return query.Input{ContentType: m.contentType, Data: data}, nil
		}
	}
	return query.Input{}, Usagef("%s is neither a PNG nor a JPEG picture, nor a text in UTF-8, nor a raw tensor (NAME.f32: little-endian float32)", name)
}

// requestInputs returns the tensors of a /v2 request, {"inputs": [...]}; none for what is
// no such request, and an error for one whose inputs are wrong.
func requestInputs(data []byte) ([]tensors.Tensor, error) {
	var outer struct {
		Inputs []json.RawMessage `json:"inputs"`
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || json.Unmarshal(data, &outer) != nil {
		return nil, nil
	}
	out := make([]tensors.Tensor, len(outer.Inputs))
	for i, raw := range outer.Inputs {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("inputs[%d]: %w", i, err)
		}
		if err := out[i].Check(); err != nil {
			return nil, fmt.Errorf("inputs[%d]: %w", i, err)
		}
	}
	return out, nil
}

// isText reports whether data is a text in UTF-8, without the control characters that
// pictures and tensors have.
func isText(data []byte) bool {
	return len(data) > 0 && utf8.Valid(data) && !bytes.ContainsFunc(data, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) })
}
