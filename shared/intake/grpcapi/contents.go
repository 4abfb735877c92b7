package grpcapi

import (
	"encoding/binary"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// contentsOf are the fields in which elements of a datatype are sent. FP16 and BF16
// have none.
var contentsOf = map[tensors.Datatype]protoreflect.Name{
	tensors.Bool: "bool_contents",
	tensors.Int8: "int_contents", tensors.Int16: "int_contents", tensors.Int32: "int_contents", tensors.Int64: "int64_contents",
	tensors.Uint8: "uint_contents", tensors.Uint16: "uint_contents", tensors.Uint32: "uint_contents", tensors.Uint64: "uint64_contents",
	tensors.FP32: "fp32_contents", tensors.FP64: "fp64_contents", tensors.Bytes: "bytes_contents",
}

// pack makes a tensor's bytes of its contents, which are in the field of its datatype
// alone. Whether there are enough of them is the API's to say, as is whether there is
// such a datatype.
func pack(at string, d tensors.Datatype, c *oip.InferTensorContents) (data []byte, err error) {
	if err := checkField(at, d, c); err != nil {
		return nil, err
	}
	fits := true
	switch d {
	case tensors.Bool:
		return appendAll(c.GetBoolContents()), nil
	case tensors.Int8:
		data, fits = appendNarrow[int8](c.GetIntContents())
	case tensors.Int16:
		data, fits = appendNarrow[int16](c.GetIntContents())
	case tensors.Int32:
		return appendAll(c.GetIntContents()), nil
	case tensors.Int64:
		return appendAll(c.GetInt64Contents()), nil
	case tensors.Uint8:
		data, fits = appendNarrow[uint8](c.GetUintContents())
	case tensors.Uint16:
		data, fits = appendNarrow[uint16](c.GetUintContents())
	case tensors.Uint32:
		return appendAll(c.GetUintContents()), nil
	case tensors.Uint64:
		return appendAll(c.GetUint64Contents()), nil
	case tensors.FP32:
		return appendAll(c.GetFp32Contents()), nil
	case tensors.FP64:
		return appendAll(c.GetFp64Contents()), nil
	case tensors.Bytes:
		for _, s := range c.GetBytesContents() {
			data = tensors.AppendString(data, s)
		}
	}
	if !fits {
		return nil, wrong(at+"."+string(contentsOf[d]), "has a number that %s cannot hold", d)
	}
	return data, nil
}

// checkField refuses contents in another field than that of their datatype.
func checkField(at string, d tensors.Datatype, c *oip.InferTensorContents) (err error) {
	want := contentsOf[d]
	c.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch {
		case want == "" && d.Known():
			err = wrong(at+"."+string(f.Name()), "cannot have values of datatype %s: send them in raw_input_contents", d)
		case want != "" && f.Name() != want:
			err = wrong(at+"."+string(f.Name()), "cannot have values of datatype %s: send them in %s (data types are not converted)", d, want)
		}
		return err == nil
	})
	return err
}

// appendAll are numbers as bytes, little-endian.
func appendAll[T any](values []T) []byte {
	data, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		panic(err) // of a type of no fixed size
	}
	return data
}

// appendNarrow is appendAll of numbers of fewer bytes; false where one does not fit.
func appendNarrow[N int8 | int16 | uint8 | uint16, W int32 | uint32](values []W) ([]byte, bool) {
	out := make([]N, len(values))
	for i, v := range values {
		if out[i] = N(v); W(out[i]) != v {
			return nil, false
		}
	}
	return appendAll(out), true
}

// unpackTensor makes contents of a tensor, in the field of its datatype.
func unpackTensor(t tensors.Tensor) (*oip.InferTensorContents, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	c := &oip.InferTensorContents{}
	switch t.Datatype {
	case tensors.Bool:
		c.BoolContents = readAll[bool](t)
	case tensors.Int8:
		c.IntContents = widened[int32](readAll[int8](t))
	case tensors.Int16:
		c.IntContents = widened[int32](readAll[int16](t))
	case tensors.Int32:
		c.IntContents = readAll[int32](t)
	case tensors.Int64:
		c.Int64Contents = readAll[int64](t)
	case tensors.Uint8:
		c.UintContents = widened[uint32](t.Data)
	case tensors.Uint16:
		c.UintContents = widened[uint32](readAll[uint16](t))
	case tensors.Uint32:
		c.UintContents = readAll[uint32](t)
	case tensors.Uint64:
		c.Uint64Contents = readAll[uint64](t)
	case tensors.FP32:
		c.Fp32Contents = readAll[float32](t)
	case tensors.FP64:
		c.Fp64Contents = readAll[float64](t)
	case tensors.Bytes:
		c.BytesContents, _ = t.Strings() // checked
	}
	return c, nil
}

// readAll are the elements of a tensor whose length was checked.
func readAll[T any](t tensors.Tensor) []T {
	out := make([]T, len(t.Data)/t.Datatype.Size())
	if _, err := binary.Decode(t.Data, binary.LittleEndian, out); err != nil {
		panic(err) // of a type of no fixed size
	}
	return out
}

// widened are numbers with more bytes each.
func widened[W int32 | uint32, N int8 | int16 | uint8 | uint16](values []N) []W {
	out := make([]W, len(values))
	for i, v := range values {
		out[i] = W(v)
	}
	return out
}
