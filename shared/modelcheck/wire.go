package modelcheck

import (
	"encoding/binary"
	"errors"
)

// errWire says that bytes are no protocol buffer.
var errWire = errors.New("the bytes are not of a protocol buffer")

// field is one field of a message.
type field struct {
	number int
	bytes  []byte // of a field with a length
	value  uint64 // of another
	raw    []byte // the whole of it as it is written, number and length included
}

// text is the field's bytes as a string.
func (f field) text() string { return string(f.bytes) }

// each calls do for every field of a message, in their order.
func each(message []byte, do func(field) error) error {
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
func next(message []byte) (f field, n int, err error) {
	tag, at := binary.Uvarint(message)
	if at <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, 0, errWire
	}
	f.number = int(tag >> 3)
	rest := message[at:]
	switch tag & 7 {
	case 0:
		v, size := binary.Uvarint(rest)
		if size <= 0 {
			return f, 0, errWire
		}
		f.value, at = v, at+size
	case 1, 5:
		size := 8
		if tag&7 == 5 {
			size = 4
		}
		if len(rest) < size {
			return f, 0, errWire
		}
		f.bytes, at = rest[:size], at+size
	case 2:
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(rest)-size) {
			return f, 0, errWire
		}
		f.bytes, at = rest[size:size+int(length)], at+size+int(length)
	default:
		return f, 0, errWire
	}
	f.raw = message[:at]
	return f, at, nil
}

// appendBytes appends a field with a length.
func appendBytes(out []byte, number int, value []byte) []byte {
	out = binary.AppendUvarint(out, uint64(number)<<3|2)
	out = binary.AppendUvarint(out, uint64(len(value)))
	return append(out, value...)
}
