package onnxruntime

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// frame is what C reads and writes during one run, in one heap object, so that
// one pin holds all of it in place from the first call to the last.
type frame struct {
	// pin must live exactly until Unpin: a Pinner that is collected earlier
	// takes the process down. The frame lives as long as its run.
	pin    runtime.Pinner
	dims   [maxRank]int64
	input  uintptr        // OrtValue* over the caller's data
	output uintptr        // OrtValue* that the run allocates
	info   uintptr        // OrtTensorTypeAndShapeInfo* of the output
	data   unsafe.Pointer // the output's data, in C memory
}

// errNotSingle says that a model is not one for Run.
var errNotSingle = errors.New("the model is not one of one float32 tensor in and out: it runs by name")

// Run computes the model's first output for one input. The result is the
// caller's; in is only read. It fails if the length of in does not fit its
// shape or the model does not take the shape, with the library's message.
func (s *Session) Run(in tensor.Tensor) (tensor.Tensor, error) {
	if !s.single {
		return tensor.Tensor{}, errNotSingle
	}
	if err := in.CheckLength(); err != nil {
		return tensor.Tensor{}, err
	}
	if len(in.Shape) > maxRank {
		return tensor.Tensor{}, fmt.Errorf("shape %v has more than %d dimensions", in.Shape, maxRank)
	}
	f := &frame{}
	f.pin.Pin(f)
	f.pin.Pin(unsafe.SliceData(in.Data))
	defer f.finish(s.lib.api)
	if err := f.compute(s, in); err != nil {
		return tensor.Tensor{}, err
	}
	return f.result(s.lib.api)
}

// compute wraps the input, without copying it, and runs the session.
func (f *frame) compute(s *Session, in tensor.Tensor) error {
	const bytesPerElement = 4
	copy(f.dims[:], in.Shape)
	if err := s.lib.api.do(createTensorWithDataAsOrtValue, s.lib.cpu,
		uintptr(unsafe.Pointer(unsafe.SliceData(in.Data))), uintptr(len(in.Data)*bytesPerElement),
		uintptr(unsafe.Pointer(&f.dims)), uintptr(len(in.Shape)), elementTypeFloat,
		uintptr(unsafe.Pointer(&f.input))); err != nil {
		return fmt.Errorf("wrap input: %w", err)
	}
	// Both names are arrays of one: the addresses of the fields that hold them.
	if err := s.lib.api.do(run, s.handle, 0,
		uintptr(unsafe.Pointer(&s.inName)), uintptr(unsafe.Pointer(&f.input)), 1,
		uintptr(unsafe.Pointer(&s.outName)), 1, uintptr(unsafe.Pointer(&f.output))); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// result copies the output out of C memory.
func (f *frame) result(a api) (tensor.Tensor, error) {
	if err := a.do(getTensorTypeAndShape, f.output, uintptr(unsafe.Pointer(&f.info))); err != nil {
		return tensor.Tensor{}, fmt.Errorf("get output shape: %w", err)
	}
	shape, err := a.dimensions(f.info)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("get output shape: %w", err)
	}
	n, err := tensor.Elements(shape)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("output: %w", err)
	}
	if err := a.do(getTensorMutableData, f.output, uintptr(unsafe.Pointer(&f.data))); err != nil {
		return tensor.Tensor{}, fmt.Errorf("get output: %w", err)
	}
	data := make([]float32, n)
	copy(data, unsafe.Slice((*float32)(f.data), n))
	return tensor.Tensor{Shape: shape, Data: data}, nil
}

// finish releases the C objects and then the pins.
func (f *frame) finish(a api) {
	a.release(releaseTensorTypeAndShapeInfo, f.info)
	a.release(releaseValue, f.output)
	a.release(releaseValue, f.input)
	f.pin.Unpin()
}
