package tokenizer

import (
	"paragon/shared/engine/wire"
)

// metadataKey names the tokenizer among a model's metadata, and metadataField is
// that of ONNX's ModelProto, with the fields of its entries.
const (
	metadataKey          = "paragon.tokenizer"
	metadataField        = 14
	entryKey, entryValue = 1, 2
)

// Attach returns an ONNX file with a tokenizer.json as part of its metadata: one
// file, and one digest, is then the whole model. A tokenizer that was attached
// before is replaced.
func Attach(onnx, file []byte) ([]byte, error) {
	out := make([]byte, 0, len(onnx)+len(file)+64)
	err := wire.Each(onnx, func(f wire.Field) error {
		if f.Number == metadataField {
			if key, _, err := entry(f.Bytes); err != nil || key == metadataKey {
				return err
			}
		}
		out = append(out, f.Raw...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	e := wire.AppendBytes(nil, entryKey, []byte(metadataKey))
	return wire.AppendBytes(out, metadataField, wire.AppendBytes(e, entryValue, file)), nil
}

// Attached returns the tokenizer.json of an ONNX file, nil of one without.
func Attached(onnx []byte) (file []byte, err error) {
	err = wire.Each(onnx, func(f wire.Field) error {
		if f.Number != metadataField {
			return nil
		}
		key, value, err := entry(f.Bytes)
		if key == metadataKey {
			file = value
		}
		return err
	})
	return file, err
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
