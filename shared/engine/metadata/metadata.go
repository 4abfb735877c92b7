// Package metadata reads and writes what Paragon keeps in an ONNX file's metadata: one
// file, and one digest, is then the whole model.
package metadata

import (
	"github.com/paragon-serving/paragon/shared/engine/wire"
)

// field is that of metadata in ONNX's ModelProto, with the fields of its entries.
const (
	field                = 14
	entryKey, entryValue = 1, 2
)

// Put returns an ONNX file with a value under a key of its metadata, in place of one
// that was there. ONNX's values are UTF-8.
func Put(onnx []byte, key string, value []byte) ([]byte, error) {
	out := make([]byte, 0, len(onnx)+len(value)+64)
	err := wire.Each(onnx, func(f wire.Field) error {
		if f.Number == field {
			if k, _, err := entry(f.Bytes); err != nil || k == key {
				return err
			}
		}
		out = append(out, f.Raw...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	e := wire.AppendBytes(nil, entryKey, []byte(key))
	return wire.AppendBytes(out, field, wire.AppendBytes(e, entryValue, value)), nil
}

// Get returns the value of a key, which shares the file's bytes; nil of a file without.
func Get(onnx []byte, key string) (value []byte, err error) {
	err = wire.Each(onnx, func(f wire.Field) error {
		if f.Number != field {
			return nil
		}
		k, v, err := entry(f.Bytes)
		if k == key {
			value = v
		}
		return err
	})
	return value, err
}

func entry(message []byte) (key string, value []byte, err error) {
	err = wire.Each(message, func(f wire.Field) error {
		switch f.Number {
		case entryKey:
			key = f.Text()
		case entryValue:
			value = f.Bytes
		}
		return nil
	})
	return key, value, err
}
