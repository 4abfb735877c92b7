package rpc

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"slices"

	"github.com/paragon-serving/paragon/shared/platform"
)

// The types of a body: frames for what carries data, else JSON.
const (
	typeJSON   = "application/json"
	typeFrames = "application/x-paragon-frames"
)

// Body is a call or an answer, encoded.
type Body struct {
	Type  string
	Bytes int64
	parts net.Buffers
}

// Encode encodes a call or an answer: in frames where a pointer to it is a
// Carrier. What it carries is not copied and must not change meanwhile.
func Encode[T any](v T) (Body, error) {
	if c, ok := any(&v).(Carrier); ok {
		parts, n, err := encodeFrames(c)
		return Body{typeFrames, n, parts}, err
	}
	text, err := json.Marshal(v)
	return Body{typeJSON, int64(len(text)), net.Buffers{text}}, err
}

// Reader reads the body from its beginning, as often as it is asked for.
func (b Body) Reader() io.ReadCloser {
	parts := slices.Clone(b.parts) // reading consumes it
	return io.NopCloser(&parts)
}

// WriteTo writes the body.
func (b Body) WriteTo(w io.Writer) (int64, error) {
	parts := slices.Clone(b.parts)
	return parts.WriteTo(w)
}

// Decode reads a call or an answer of at most limit bytes; ErrTooLarge above.
func Decode[T any](from io.Reader, limit int64, v *T) error {
	if c, ok := any(v).(Carrier); ok {
		return decodeFrames(from, limit, c)
	}
	var text bytes.Buffer
	n, err := text.ReadFrom(io.LimitReader(from, limit+1))
	if err == nil && n > limit {
		err = platform.ErrTooLarge
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text.Bytes(), v)
}
