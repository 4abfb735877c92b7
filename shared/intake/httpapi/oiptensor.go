package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
	"github.com/paragon-serving/paragon/shared/intake"
)

// bytesType is the protocol's datatype of byte strings: an encoded picture here.
const bytesType = "BYTES"

// oipInput is the input tensor of a request: numbers, or the bytes of a picture.
type oipInput struct {
	called   string // by the model; inputName is taken as well
	name     string
	datatype string
	shape    []int64
	raw      []byte   // the numbers as little-endian float32
	bytes    [][]byte // the pictures, or the texts
	text     bool     // whether the model takes texts
}

// decode reads the tensor from its JSON, and its data from there or from the
// binary part, of which it returns what is left.
func (in *oipInput) decode(raw json.RawMessage, binaryPart []byte) (rest []byte, err error) {
	var data json.RawMessage
	size := -1
	err = decodeOpen(raw, "inputs[0]", fields{
		"name":     text("inputs[0].name", &in.name),
		"datatype": text("inputs[0].datatype", &in.datatype),
		"shape": func(raw json.RawMessage) error {
			if err := json.Unmarshal(raw, &in.shape); err != nil {
				return refuse(badField, "inputs[0].shape", "is not a list of whole numbers")
			}
			return nil
		},
		"data":       func(raw json.RawMessage) error { data = raw; return nil },
		"parameters": func(raw json.RawMessage) error { return binarySize(raw, &size) },
	})
	if err != nil {
		return nil, err
	}
	count, err := in.check()
	switch {
	case err != nil:
		return nil, err
	case (data == nil) == (size < 0):
		return nil, refuse(intake.BadInput, "inputs[0]", "needs either data or binary_data_size")
	case data != nil:
		return binaryPart, in.fromJSON(data, count)
	case size > len(binaryPart):
		return nil, refuse(intake.BadInput, "inputs[0].parameters.binary_data_size", "is %d, but %d bytes follow the JSON", size, len(binaryPart))
	}
	return binaryPart[size:], in.fromBinary(binaryPart[:size], count)
}

func binarySize(raw json.RawMessage, size *int) error {
	var p struct {
		Size *int `json:"binary_data_size"`
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.Size != nil && *p.Size < 0 {
		return refuse(badField, "inputs[0].parameters.binary_data_size", "is not a number of bytes")
	}
	if p.Size != nil {
		*size = *p.Size
	}
	return nil
}

// maxRank bounds the dimensions of a tensor.
const maxRank = 8

// check holds name, datatype and shape to what can be, and counts the elements.
func (in *oipInput) check() (int, error) {
	for _, m := range []struct {
		field string
		there bool
	}{{"name", in.name != ""}, {"datatype", in.datatype != ""}, {"shape", in.shape != nil}} {
		if !m.there {
			return 0, refuse(intake.BadInput, "inputs[0]."+m.field, "is missing")
		}
	}
	if in.name != inputName && in.name != in.called {
		return 0, refuse(intake.BadInput, "inputs[0].name", "there is no input %q, only %q", clip(in.name), in.called)
	}
	if in.text && in.datatype != bytesType {
		return 0, refuse(intake.BadInput, "inputs[0].datatype", "input %q: is %q, but the task takes text as BYTES", in.name, clip(in.datatype))
	}
	if in.datatype != string(tensors.FP32) && in.datatype != bytesType {
		return 0, refuse(intake.BadInput, "inputs[0].datatype",
			"input %q: is %q, but the model takes FP32, or a picture as BYTES: data types are not converted", in.name, clip(in.datatype))
	}
	if len(in.shape) == 0 || len(in.shape) > maxRank {
		return 0, refuse(intake.BadInput, "inputs[0].shape", "has %d dimensions; 1 to %d are allowed", len(in.shape), maxRank)
	}
	n, err := tensor.Elements(in.shape)
	if err != nil {
		return 0, refuse(intake.BadInput, "inputs[0].shape", "%v", err)
	}
	if in.datatype == bytesType && n > maxItems {
		return 0, refuse(intake.BadInput, "inputs[0].shape", "has %d items: send at most %d", n, maxItems)
	}
	return n, nil
}

// fromJSON reads the data of the tensor from JSON, flat or nested.
func (in *oipInput) fromJSON(data json.RawMessage, count int) (err error) {
	if in.datatype == bytesType {
		texts, ok := flattenTexts(data, in.shape)
		if !ok || len(texts) != count {
			return refuse(intake.BadInput, "inputs[0].data", "is not a list of %d strings, flat or nested as its shape %v says", count, in.shape)
		}
		in.bytes = make([][]byte, count)
		for i, text := range texts {
			if in.text {
				in.bytes[i] = []byte(text)
				continue
			}
			if in.bytes[i], err = base64.StdEncoding.DecodeString(text); err != nil {
				return refuse(badBase64, "inputs[0].data", "a picture in JSON is base64: %v", err)
			}
		}
		return nil
	}
	if in.raw, err = tensors.ParseData(data, tensors.FP32, in.shape); err != nil {
		return refuse(intake.BadInput, "inputs[0].data", "input %q: %v", in.name, err)
	}
	return nil
}

// fromBinary reads the data of the tensor from its bytes, little-endian.
func (in *oipInput) fromBinary(data []byte, count int) error {
	if in.datatype == bytesType {
		return in.stringsFrom(data, count)
	}
	if want := count * tensors.FP32.Size(); len(data) != want {
		return refuse(intake.BadInput, "inputs[0]", "has %d bytes, but shape %v of %s needs %d", len(data), in.shape, in.datatype, want)
	}
	in.raw = data // as models take it: not a byte is moved
	return nil
}

// stringsFrom reads byte strings, each behind its length in four bytes.
func (in *oipInput) stringsFrom(data []byte, count int) error {
	for range count {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return refuse(intake.BadInput, "inputs[0]", "does not contain %d strings, each after its length in four bytes", count)
		}
		n := 4 + int(binary.LittleEndian.Uint32(data))
		in.bytes, data = append(in.bytes, data[4:n]), data[n:]
	}
	if len(data) > 0 {
		return refuse(intake.BadInput, "inputs[0]", "%d bytes follow the last string", len(data))
	}
	return nil
}

// pictures are the inputs of queries for the bytes of pictures, or for texts.
func (in oipInput) pictures() ([]query.Input, error) {
	out := make([]query.Input, len(in.bytes))
	if in.text {
		for i, data := range in.bytes {
			out[i] = query.Input{ContentType: query.TextType, Data: data}
		}
		return out, nil
	}
	for i, data := range in.bytes {
		switch {
		case bytes.HasPrefix(data, []byte("\x89PNG")):
			out[i] = query.Input{ContentType: preprocess.PNG, Data: data}
		case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
			out[i] = query.Input{ContentType: preprocess.JPEG, Data: data}
		default:
			return nil, refuse(intake.BadInput, "inputs[0].data", "picture %d is neither a PNG nor a JPEG picture", i)
		}
	}
	return out, nil
}

// rawTensors are the inputs of queries for numbers, one an item of the batch.
func (in oipInput) rawTensors() []query.Input {
	out := make([]query.Input, in.shape[0])
	each := len(in.raw) / len(out)
	for i := range out {
		out[i] = query.Input{ContentType: preprocess.RawTensor, Data: in.raw[i*each : (i+1)*each : (i+1)*each]}
	}
	return out
}
