package onnxruntime

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// Value is what a run gives under one name.
type Value struct {
	tensors.Tensor
	// Keys are those of the maps that the tensor was made of, one a column: the
	// labels, in a classifier. Nil of what was a tensor.
	Keys []string
}

// namedRun is one run of any model. It lives as long as the run, and with it what
// C reads and writes.
type namedRun struct {
	pin     runtime.Pinner // of the callers' data, which C keeps until the inputs are released
	inputs  []uintptr      // OrtValue*
	outputs []uintptr      // OrtValue*, that the run allocates
}

// RunNamed computes every output. in holds each of the model's inputs once, in any
// order, as tensors.Fit wants them; it is only read. The results are the caller's.
func (s *Session) RunNamed(in []tensors.Tensor) ([]Value, error) {
	if len(in) != len(s.inputs) {
		return nil, fmt.Errorf("the model takes %d inputs, and there are %d", len(s.inputs), len(in))
	}
	r := &namedRun{inputs: make([]uintptr, len(s.inputs)), outputs: make([]uintptr, len(s.outputs))}
	defer r.finish(s.lib.api)
	for i, p := range s.inputs {
		t, ok := tensors.Find(in, p.Name)
		if !ok {
			return nil, fmt.Errorf("input %q is missing", p.Name)
		}
		if err := r.wrap(s.lib, t, &r.inputs[i]); err != nil {
			return nil, fmt.Errorf("wrap input %q: %w", p.Name, err)
		}
	}
	if err := s.lib.api.do(run, s.handle, 0,
		uintptr(unsafe.Pointer(unsafe.SliceData(s.inNames))), uintptr(unsafe.Pointer(unsafe.SliceData(r.inputs))), uintptr(len(r.inputs)),
		uintptr(unsafe.Pointer(unsafe.SliceData(s.outNames))), uintptr(len(r.outputs)), uintptr(unsafe.Pointer(unsafe.SliceData(r.outputs)))); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	out := make([]Value, len(s.outputs))
	for i, p := range s.outputs {
		v, err := s.lib.value(r.outputs[i])
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", p.Name, err)
		}
		v.Name = p.Name
		out[i] = v
	}
	return out, nil
}

// finish releases the C objects and then the pins.
func (r *namedRun) finish(a api) {
	for _, v := range slices.Concat(r.outputs, r.inputs) {
		a.release(releaseValue, v)
	}
	r.pin.Unpin()
}

// wrap makes an OrtValue* of a tensor; over the caller's data, unless it holds
// strings or does not lie as numbers must.
func (r *namedRun) wrap(lib *Library, t tensors.Tensor, to *uintptr) error {
	if err := t.Check(); err != nil {
		return err
	}
	element, ok := elementOf(t.Datatype)
	if !ok {
		return fmt.Errorf("datatype %s is not supported", t.Datatype)
	}
	shape := append(make([]int64, 0, maxRank), t.Shape...)
	if t.Datatype == tensors.Bytes {
		return lib.wrapStrings(t, shape, to)
	}
	data := t.Data
	if first := unsafe.SliceData(data); len(data) == 0 || uintptr(unsafe.Pointer(first))%uintptr(t.Datatype.Size()) != 0 {
		data = append(make([]byte, 0, len(data)+8), data...) // allocations are aligned, and none is null
	}
	r.pin.Pin(unsafe.SliceData(data))
	return lib.api.do(createTensorWithDataAsOrtValue, lib.cpu,
		uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)),
		uintptr(unsafe.Pointer(unsafe.SliceData(shape))), uintptr(len(t.Shape)), uintptr(element),
		uintptr(unsafe.Pointer(to)))
}

// wrapStrings copies strings into the library's memory. It takes them ended by a
// NUL, so that none can hold one.
func (l *Library) wrapStrings(t tensors.Tensor, shape []int64, to *uintptr) error {
	texts, err := t.Strings()
	if err != nil {
		return err
	}
	if err := l.api.do(createTensorAsOrtValue, l.allocator, uintptr(unsafe.Pointer(unsafe.SliceData(shape))),
		uintptr(len(t.Shape)), elementTypeString, uintptr(unsafe.Pointer(to))); err != nil {
		return err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	addresses := make([]unsafe.Pointer, len(texts))
	for i, text := range texts {
		if bytes.IndexByte(text, 0) >= 0 {
			return fmt.Errorf("string %d contains a NUL byte, which ONNX Runtime does not accept", i)
		}
		ended := append(append(make([]byte, 0, len(text)+1), text...), 0)
		pin.Pin(unsafe.SliceData(ended))
		addresses[i] = unsafe.Pointer(unsafe.SliceData(ended))
	}
	if len(addresses) == 0 {
		return nil
	}
	return l.api.do(fillStringTensor, *to, uintptr(unsafe.Pointer(unsafe.SliceData(addresses))), uintptr(len(addresses)))
}

// value copies an OrtValue* out of C memory.
func (l *Library) value(v uintptr) (Value, error) {
	if v == 0 {
		return Value{}, errors.New("the run left it out")
	}
	var kind int32
	if err := l.api.do(getValueType, v, uintptr(unsafe.Pointer(&kind))); err != nil {
		return Value{}, err
	}
	switch kind {
	case typeTensor:
		t, err := l.tensor(v)
		return Value{Tensor: t}, err
	case typeMap:
		return l.oneMap(v)
	case typeSequence:
		return l.sequence(v)
	}
	return Value{}, fmt.Errorf("is neither a tensor, a sequence nor a map, but of type %d", kind)
}

// tensor copies a tensor out of C memory.
func (l *Library) tensor(v uintptr) (t tensors.Tensor, err error) {
	var info uintptr
	if err := l.api.do(getTensorTypeAndShape, v, uintptr(unsafe.Pointer(&info))); err != nil {
		return t, fmt.Errorf("get shape: %w", err)
	}
	defer func() { l.api.release(releaseTensorTypeAndShapeInfo, info) }()
	if t.Datatype, err = l.api.datatype(info); err != nil {
		return t, err
	}
	if t.Shape, err = l.api.dimensions(info); err != nil {
		return t, fmt.Errorf("get shape: %w", err)
	}
	n, err := tensors.Elements(t.Shape)
	if err != nil {
		return t, err
	}
	if t.Datatype == tensors.Bytes {
		t.Data, err = l.strings(v, n)
		return t, err
	}
	var data unsafe.Pointer
	if err := l.api.do(getTensorMutableData, v, uintptr(unsafe.Pointer(&data))); err != nil {
		return t, fmt.Errorf("get data: %w", err)
	}
	t.Data = make([]byte, n*t.Datatype.Size())
	if n > 0 {
		copy(t.Data, unsafe.Slice((*byte)(data), len(t.Data)))
	}
	return t, nil
}

// strings copies the strings of a tensor out of C memory.
func (l *Library) strings(v uintptr, n int) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	var size uintptr
	if err := l.api.do(getStringTensorDataLength, v, uintptr(unsafe.Pointer(&size))); err != nil {
		return nil, fmt.Errorf("get length of strings: %w", err)
	}
	text, offsets := make([]byte, size+1), make([]uintptr, n+1)
	if err := l.api.do(getStringTensorContent, v, uintptr(unsafe.Pointer(unsafe.SliceData(text))), size,
		uintptr(unsafe.Pointer(unsafe.SliceData(offsets))), uintptr(n)); err != nil {
		return nil, fmt.Errorf("get strings: %w", err)
	}
	offsets[n] = size
	out := make([]byte, 0, int(size)+4*n)
	for i := range n {
		out = tensors.AppendString(out, text[offsets[i]:offsets[i+1]])
	}
	return out, nil
}
