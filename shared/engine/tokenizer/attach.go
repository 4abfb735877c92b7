package tokenizer

import (
	"github.com/paragon-serving/paragon/shared/engine/metadata"
)

// metadataKey names the tokenizer among a model's metadata.
const metadataKey = "paragon.tokenizer"

// Attach returns an ONNX file with a tokenizer.json as part of its metadata, in place
// of one that was attached before.
func Attach(onnx, file []byte) ([]byte, error) { return metadata.Put(onnx, metadataKey, file) }

// Attached returns the tokenizer.json of an ONNX file, nil of one without.
func Attached(onnx []byte) ([]byte, error) { return metadata.Get(onnx, metadataKey) }
