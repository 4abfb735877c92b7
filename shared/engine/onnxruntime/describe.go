package onnxruntime

import (
	"fmt"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// maxRank is the most dimensions that a tensor may have here.
const maxRank = tensors.MaxRank

// maxPorts bounds the inputs and the outputs of a model.
const maxPorts = 256

// elementNames names the values of ONNXTensorElementDataType, for messages.
var elementNames = []string{"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32",
	"int64", "string", "bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16",
	"float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1"}

// elementDatatypes are those of them that the protocol has.
var elementDatatypes = map[int32]tensors.Datatype{
	elementTypeFloat: tensors.FP32, 2: tensors.Uint8, 3: tensors.Int8, 4: tensors.Uint16, 5: tensors.Int16,
	6: tensors.Int32, 7: tensors.Int64, elementTypeString: tensors.Bytes, 9: tensors.Bool, 10: tensors.FP16,
	11: tensors.FP64, 12: tensors.Uint32, 13: tensors.Uint64, 16: tensors.BF16,
}

// elementOf is a datatype as the C API numbers it.
func elementOf(d tensors.Datatype) (int32, bool) {
	for element, known := range elementDatatypes {
		if known == d {
			return element, true
		}
	}
	return 0, false
}

// portFunctions are the functions that describe one side of a session.
type portFunctions struct {
	side                  string
	count, name, typeInfo function
}

var (
	inputSide  = portFunctions{"input", sessionGetInputCount, sessionGetInputName, sessionGetInputTypeInfo}
	outputSide = portFunctions{"output", sessionGetOutputCount, sessionGetOutputName, sessionGetOutputTypeInfo}
)

// describe reads the names, types and shapes of what the model takes and gives.
func (s *Session) describe() (err error) {
	if s.inputs, s.inNames, err = s.ports(inputSide); err != nil {
		return err
	}
	if s.outputs, s.outNames, err = s.ports(outputSide); err != nil {
		return err
	}
	if len(s.outputs) == 0 {
		return fmt.Errorf("the model has no output")
	}
	for _, p := range s.inputs {
		if p.Kind != TensorPort {
			return fmt.Errorf("input %q is a %s, only tensors are supported", p.Name, p.Kind)
		}
	}
	s.output, s.outName = s.outputs[0], s.outNames[0]
	if len(s.inputs) > 0 {
		s.input, s.inName = s.inputs[0], s.inNames[0]
	}
	s.single = len(s.inputs) == 1 && s.input.is(tensors.FP32) && s.output.is(tensors.FP32)
	return nil
}

// is says whether a port is a tensor of a datatype.
func (p Port) is(d tensors.Datatype) bool { return p.Kind == TensorPort && p.Datatype == d }

// ports describes a side, with the C names for a run.
func (s *Session) ports(side portFunctions) ([]Port, []uintptr, error) {
	var n uintptr
	if err := s.lib.api.do(side.count, s.handle, uintptr(unsafe.Pointer(&n))); err != nil {
		return nil, nil, fmt.Errorf("count %ss: %w", side.side, err)
	}
	if n > maxPorts {
		return nil, nil, fmt.Errorf("the model has %d %ss, above %d", n, side.side, maxPorts)
	}
	ports, names := make([]Port, n), make([]uintptr, n)
	s.owned = append(s.owned, names) // freed by Close, also when what follows fails
	for i := range ports {
		var err error
		if ports[i], err = s.port(side, uintptr(i), &names[i]); err != nil {
			return nil, nil, err
		}
	}
	return ports, names, nil
}

// port describes one port of a side and leaves its C name in name.
func (s *Session) port(side portFunctions, i uintptr, name *uintptr) (Port, error) {
	a := s.lib.api
	if err := a.do(side.name, s.handle, i, s.lib.allocator, uintptr(unsafe.Pointer(name))); err != nil {
		return Port{}, fmt.Errorf("get name of %s %d: %w", side.side, i, err)
	}
	p := Port{Name: goString(*name, maxIdentifierSize)}
	var info uintptr
	if err := a.do(side.typeInfo, s.handle, i, uintptr(unsafe.Pointer(&info))); err != nil {
		return Port{}, fmt.Errorf("get type of %s %q: %w", side.side, p.Name, err)
	}
	defer a.release(releaseTypeInfo, info)
	var kind int32
	if err := a.do(getOnnxTypeFromTypeInfo, info, uintptr(unsafe.Pointer(&kind))); err != nil {
		return Port{}, fmt.Errorf("get type of %s %q: %w", side.side, p.Name, err)
	}
	switch kind {
	case typeTensor:
		if err := a.describeTensor(info, &p); err != nil {
			return Port{}, fmt.Errorf("%s %q: %w", side.side, p.Name, err)
		}
	case typeSequence:
		p.Kind = SequencePort
	case typeMap:
		p.Kind = MapPort
	default:
		return Port{}, fmt.Errorf("%s %q has an unsupported type: it must be a tensor, a sequence or a map", side.side, p.Name)
	}
	return p, nil
}

// describeTensor reads datatype and shape out of an OrtTypeInfo*.
func (a api) describeTensor(info uintptr, p *Port) error {
	var tensorInfo uintptr
	if err := a.do(castTypeInfoToTensorInfo, info, uintptr(unsafe.Pointer(&tensorInfo))); err != nil {
		return fmt.Errorf("get tensor type: %w", err)
	}
	var err error
	if p.Datatype, err = a.datatype(tensorInfo); err != nil {
		return err
	}
	p.Kind = TensorPort
	if p.Shape, err = a.dimensions(tensorInfo); err != nil {
		return fmt.Errorf("get shape: %w", err)
	}
	return nil
}

// datatype reads the element type out of an OrtTensorTypeAndShapeInfo*.
func (a api) datatype(info uintptr) (tensors.Datatype, error) {
	var element int32
	if err := a.do(getTensorElementType, info, uintptr(unsafe.Pointer(&element))); err != nil {
		return "", fmt.Errorf("get element type: %w", err)
	}
	if d, ok := elementDatatypes[element]; ok {
		return d, nil
	}
	if element >= 0 && int(element) < len(elementNames) {
		return "", fmt.Errorf("it holds %s, which is not supported", elementNames[element])
	}
	return "", fmt.Errorf("it holds element type %d, which is not supported", element)
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
