package onnxruntime

import (
	"errors"
	"unsafe"

	"github.com/ebitengine/purego"
)

// apiVersion is the version of the C API that is asked of the library. The
// functions below exist since version 17 or before and never move, so that
// every library from 1.17 on serves them.
const apiVersion = 17

// function is the place of a function in the C struct OrtApi: a table of
// function pointers that only ever grows at its end.
type function int

// The functions that are used, by their place in OrtApi as
// onnxruntime_c_api.h lists them.
const (
	getErrorMessage                  function = 2
	createEnv                        function = 3
	createSessionFromArray           function = 8
	run                              function = 9
	createSessionOptions             function = 10
	setSessionGraphOptimizationLevel function = 23
	setIntraOpNumThreads             function = 24
	setInterOpNumThreads             function = 25
	sessionGetInputCount             function = 30
	sessionGetOutputCount            function = 31
	sessionGetInputTypeInfo          function = 33
	sessionGetOutputTypeInfo         function = 34
	sessionGetInputName              function = 36
	sessionGetOutputName             function = 37
	createTensorAsOrtValue           function = 48
	createTensorWithDataAsOrtValue   function = 49
	getTensorMutableData             function = 51
	fillStringTensor                 function = 52
	getStringTensorDataLength        function = 53
	getStringTensorContent           function = 54
	castTypeInfoToTensorInfo         function = 55
	getOnnxTypeFromTypeInfo          function = 56
	getTensorElementType             function = 60
	getDimensionsCount               function = 61
	getDimensions                    function = 62
	getTensorTypeAndShape            function = 65
	getValueType                     function = 67
	createCPUMemoryInfo              function = 69
	allocatorFree                    function = 76
	getAllocatorWithDefaultOptions   function = 78
	getValue                         function = 80
	getValueCount                    function = 81
	releaseEnv                       function = 92
	releaseStatus                    function = 93
	releaseMemoryInfo                function = 94
	releaseSession                   function = 95
	releaseValue                     function = 96
	releaseTypeInfo                  function = 98
	releaseTensorTypeAndShapeInfo    function = 99
	releaseSessionOptions            function = 100
	addSessionConfigEntry            function = 130

	functions = 131 // as much of the table as is read
)

// Values of the C API's enumerations.
const (
	logFatal          = 4  // ORT_LOGGING_LEVEL_FATAL
	optimizeAll       = 99 // ORT_ENABLE_ALL
	arenaAllocator    = 1  // OrtArenaAllocator
	defaultMemory     = 0  // OrtMemTypeDefault
	elementTypeFloat  = 1  // ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
	elementTypeString = 8  // ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING
	typeTensor        = 1  // ONNX_TYPE_TENSOR
	typeSequence      = 2  // ONNX_TYPE_SEQUENCE
	typeMap           = 3  // ONNX_TYPE_MAP
	maxMessageBytes   = 64 << 10
	maxIdentifierSize = 4 << 10
)

// api is the library's table of functions.
type api struct {
	table *[functions]uintptr
}

// call calls a C function. The pragma matters: without it a pointer that the
// caller converts to uintptr in the argument list may still be on the stack,
// and a stack that moves before C runs leaves C with the old address.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) uintptr {
	result, _, _ := purego.SyscallN(fn, args...)
	return result
}

// do calls a function that answers with an OrtStatus*: nil, or an error with
// the library's own message.
//
//go:uintptrescapes
func (a api) do(f function, args ...uintptr) error {
	return a.failure(call(a.table[f], args...))
}

// failure turns an OrtStatus* into an error and releases it.
func (a api) failure(status uintptr) error {
	if status == 0 {
		return nil
	}
	message := goString(call(a.table[getErrorMessage], status), maxMessageBytes)
	call(a.table[releaseStatus], status)
	return errors.New(message)
}

// release gives an object back to the library; a null handle is left alone.
func (a api) release(f function, handle uintptr) {
	if handle != 0 {
		call(a.table[f], handle)
	}
}

// pointer makes a pointer out of an address in C memory. The detour shows the
// compiler and vet that this is no Go pointer in disguise, which could move.
func pointer(address uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}

// goString copies a C string of at most limit bytes; null is the empty string.
func goString(address uintptr, limit int) string {
	if address == 0 {
		return ""
	}
	first := pointer(address)
	n := 0
	for n < limit && *(*byte)(unsafe.Add(first, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(first), n))
}

// cString returns the NUL-terminated bytes of s, to be passed as
// uintptr(unsafe.Pointer(unsafe.SliceData(b))) in the argument list itself.
func cString(s string) []byte {
	return append([]byte(s), 0)
}
