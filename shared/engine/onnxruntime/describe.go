package onnxruntime

import (
	"fmt"
	"unsafe"
)

// maxRank is the most dimensions that a tensor may have here.
const maxRank = 8

// elementTypes names the values of ONNXTensorElementDataType, for messages.
var elementTypes = []string{"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32",
	"int64", "string", "bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"}

// portFunctions are the functions that describe one side of a session.
type portFunctions struct {
	side                  string
	count, name, typeInfo function
}

var (
	inputSide  = portFunctions{"input", sessionGetInputCount, sessionGetInputName, sessionGetInputTypeInfo}
	outputSide = portFunctions{"output", sessionGetOutputCount, sessionGetOutputName, sessionGetOutputTypeInfo}
)

// describe learns the names and shapes of the model's tensors.
func (s *Session) describe() error {
	inputs, err := s.count(inputSide)
	if err != nil {
		return err
	}
	if inputs != 1 {
		return fmt.Errorf("the model has %d inputs, only models with one are supported", inputs)
	}
	outputs, err := s.count(outputSide)
	if err != nil {
		return err
	}
	if outputs == 0 {
		return fmt.Errorf("the model has no output")
	}
	if s.input, err = s.port(inputSide, &s.inName); err != nil {
		return err
	}
	s.output, err = s.port(outputSide, &s.outName)
	return err
}

func (s *Session) count(side portFunctions) (int, error) {
	var n uintptr
	if err := s.lib.api.do(side.count, s.handle, uintptr(unsafe.Pointer(&n))); err != nil {
		return 0, fmt.Errorf("count %ss: %w", side.side, err)
	}
	return int(n), nil
}

// port describes the first port of a side and leaves its C name in name.
func (s *Session) port(side portFunctions, name *uintptr) (Port, error) {
	a := s.lib.api
	if err := a.do(side.name, s.handle, 0, s.lib.allocator, uintptr(unsafe.Pointer(name))); err != nil {
		return Port{}, fmt.Errorf("get name of the %s: %w", side.side, err)
	}
	p := Port{Name: goString(*name, maxIdentifierSize)}
	var info, tensorInfo uintptr
	if err := a.do(side.typeInfo, s.handle, 0, uintptr(unsafe.Pointer(&info))); err != nil {
		return Port{}, fmt.Errorf("get type of %s %q: %w", side.side, p.Name, err)
	}
	defer a.release(releaseTypeInfo, info)
	if err := a.do(castTypeInfoToTensorInfo, info, uintptr(unsafe.Pointer(&tensorInfo))); err != nil {
		return Port{}, fmt.Errorf("get tensor type of %s %q: %w", side.side, p.Name, err)
	}
	if tensorInfo == 0 {
		return Port{}, fmt.Errorf("%s %q is not a tensor", side.side, p.Name)
	}
	if err := a.wantFloat(tensorInfo); err != nil {
		return Port{}, fmt.Errorf("%s %q: %w", side.side, p.Name, err)
	}
	var err error
	if p.Shape, err = a.dimensions(tensorInfo); err != nil {
		return Port{}, fmt.Errorf("get shape of %s %q: %w", side.side, p.Name, err)
	}
	return p, nil
}

// wantFloat fails unless the OrtTensorTypeAndShapeInfo* is of float32.
func (a api) wantFloat(info uintptr) error {
	var element int32
	if err := a.do(getTensorElementType, info, uintptr(unsafe.Pointer(&element))); err != nil {
		return fmt.Errorf("get element type: %w", err)
	}
	if element == elementTypeFloat {
		return nil
	}
	if int(element) < len(elementTypes) && element >= 0 {
		return fmt.Errorf("it holds %s, only float32 is supported", elementTypes[element])
	}
	return fmt.Errorf("it holds element type %d, only float32 is supported", element)
}

// dimensions reads the shape out of an OrtTensorTypeAndShapeInfo*; -1 stands
// for a size that is not known.
func (a api) dimensions(info uintptr) ([]int64, error) {
	var rank uintptr
	if err := a.do(getDimensionsCount, info, uintptr(unsafe.Pointer(&rank))); err != nil {
		return nil, err
	}
	if rank > maxRank {
		return nil, fmt.Errorf("it has %d dimensions, above %d", rank, maxRank)
	}
	var dims [maxRank]int64
	if err := a.do(getDimensions, info, uintptr(unsafe.Pointer(&dims)), rank); err != nil {
		return nil, err
	}
	return append([]int64(nil), dims[:rank]...), nil
}
