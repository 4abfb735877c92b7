package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// maxPreprocessBytes bounds a file of --preprocess.
const maxPreprocessBytes = 64 << 10

// preprocessFlag is the value of --preprocess: the name of a preset, a JSON object, or @ and
// the file of one.
type preprocessFlag struct {
	given string
	asked *profile.Preprocess // nil without the flag
}

// Type is what the help calls the value.
func (*preprocessFlag) Type() string { return "string" }

func (f *preprocessFlag) String() string { return f.given }

// Set reads a value; an empty one is none.
func (f *preprocessFlag) Set(value string) error {
	if value == "" {
		f.given, f.asked = "", nil
		return nil
	}
	p, raw := &profile.Preprocess{Preset: value}, []byte(value)
	file, inFile := strings.CutPrefix(value, "@")
	if inFile {
		var err error
		if raw, err = readModel(file, maxPreprocessBytes); err != nil {
			return err
		}
	}
	if inFile || strings.HasPrefix(strings.TrimSpace(value), "{") {
		p = &profile.Preprocess{}
		if err := decodePreprocess(raw, p); err != nil {
			return err
		}
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("%w; give a preset, a JSON object, or @FILE", err)
	}
	f.given, f.asked = value, p
	return nil
}

// decodePreprocess reads one JSON object with known fields.
func decodePreprocess(raw []byte, p *profile.Preprocess) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	err := in.Decode(p)
	if err == nil {
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is text after the JSON object")
		}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("%s cannot be a %s", wrong.Field[strings.LastIndex(wrong.Field, ".")+1:], wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("%w; the fields are preset, width, height, channels, layout, scale, mean, std, resize, shorter_side_px and channel_order", err)
	}
	return nil
}
