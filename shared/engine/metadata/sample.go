package metadata

import (
	"encoding/base64"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// sampleKey names sample inputs among a model's metadata.
const sampleKey = "paragon.sample"

// PutSample returns the ONNX file of a model that takes tensors with sample inputs
// as part of its metadata. The model is checked, measured and warmed with them instead
// of zeros, which are no shape, no index and no divisor: some models cannot run on them,
// and one that divides whole numbers takes down its process.
func PutSample(onnx []byte, sample []tensors.Tensor) ([]byte, error) {
	return Put(onnx, sampleKey, base64.StdEncoding.AppendEncode(nil, tensors.Pack(sample)))
}

// Sample returns the sample inputs of an ONNX file, nil of one without.
func Sample(onnx []byte) ([]tensors.Tensor, error) {
	value, err := Get(onnx, sampleKey)
	if err != nil || value == nil {
		return nil, err
	}
	packed, err := base64.StdEncoding.AppendDecode(nil, value)
	if err != nil {
		return nil, fmt.Errorf("sample inputs: %w", err)
	}
	out, err := tensors.Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("sample inputs: %w", err)
	}
	return out, nil
}
