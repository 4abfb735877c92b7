// Package wire reads and writes protocol buffers field by field, as far as ONNX files
// need it.
package wire

import (
	"encoding/binary"
	"errors"
)

// ErrFormat says that bytes are no protocol buffer.
var ErrFormat = errors.New("the bytes are not a valid protocol buffer")

// Field is one field of a message.
type Field struct {
	Number int
	Bytes  []byte // of a field with a length
	Value  uint64 // of another
	Raw    []byte // the whole of it as it is written, number and length included
}

// Text is the field's bytes as a string.
func (f Field) Text() string { return string(f.Bytes) }

// Each calls do for every field of a message, in their order.
func Each(message []byte, do func(Field) error) error {
	for len(message) > 0 {
		f, n, err := next(message)
		if err != nil {
			return err
		}
		if err := do(f); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

// next reads the first field of a message, and returns how many bytes it takes.
func next(message []byte) (f Field, n int, err error) {
	tag, at := binary.Uvarint(message)
	if at <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, 0, ErrFormat
	}
	f.Number = int(tag >> 3)
	rest := message[at:]
	switch tag & 7 {
	case 0:
		v, size := binary.Uvarint(rest)
		if size <= 0 {
			return f, 0, ErrFormat
		}
		f.Value, at = v, at+size
	case 1, 5:
		size := 8
		if tag&7 == 5 {
			size = 4
		}
		if len(rest) < size {
			return f, 0, ErrFormat
		}
		f.Bytes, at = rest[:size], at+size
	case 2:
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(rest)-size) {
			return f, 0, ErrFormat
		}
		f.Bytes, at = rest[size:size+int(length)], at+size+int(length)
	default:
		return f, 0, ErrFormat
	}
	f.Raw = message[:at]
	return f, at, nil
}

// AppendBytes appends a field with a length.
func AppendBytes(out []byte, number int, value []byte) []byte {
	out = binary.AppendUvarint(out, uint64(number)<<3|2)
	out = binary.AppendUvarint(out, uint64(len(value)))
	return append(out, value...)
}
