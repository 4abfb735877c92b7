package onnxruntime

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// SessionOptions say how a session computes.
type SessionOptions struct {
	// IntraOpThreads is the number of threads that one run may use, 1 if
	// below. With 1 a run stays on its caller's thread, and throughput grows
	// with the number of concurrent runs up to the number of vCPUs.
	IntraOpThreads int
}

// PortKind is what a port holds.
type PortKind string

// The kinds of port. Inputs are tensors; sequences and maps are outputs alone.
const (
	TensorPort   PortKind = "tensor"
	SequencePort PortKind = "sequence"
	MapPort      PortKind = "map"
)

// Port is an input or an output of a model.
type Port struct {
	Name     string
	Kind     PortKind
	Datatype tensors.Datatype // of a tensor
	Shape    []int64          // of a tensor; -1 where the model leaves a size open
}

// Session is a model made ready to run. Run may be called from many goroutines
// at once; Close only when none is running.
type Session struct {
	lib       *Library
	handle    uintptr // OrtSession*
	inputs    []Port
	outputs   []Port
	inNames   []uintptr // char*, each the library's allocator's
	outNames  []uintptr
	owned     [][]uintptr // what Close frees: both
	single    bool        // one float32 tensor in, and one as the first output: what Run takes
	input     Port        // the first ones, for Run
	output    Port
	inName    uintptr
	outName   uintptr
	closeOnce sync.Once
}

// NewSession prepares the model whose ONNX file has the given bytes, which may
// be dropped afterwards. It fails if the bytes are no valid model, or if the
// model does not take exactly one float32 tensor and give one as its first
// output; further outputs are ignored.
func (l *Library) NewSession(model []byte, opts SessionOptions) (*Session, error) {
	if len(model) == 0 {
		return nil, errors.New("the model is empty")
	}
	options, err := l.sessionOptions(opts)
	defer func() { l.api.release(releaseSessionOptions, options) }()
	if err != nil {
		return nil, err
	}
	s := &Session{lib: l}
	if err := l.api.do(createSessionFromArray, l.env,
		uintptr(unsafe.Pointer(unsafe.SliceData(model))), uintptr(len(model)),
		options, uintptr(unsafe.Pointer(&s.handle))); err != nil {
		return nil, fmt.Errorf("create session: %w", err)
	}
	if err := s.describe(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// sessionOptions returns an OrtSessionOptions*, also with an error, for the
// caller to release.
func (l *Library) sessionOptions(opts SessionOptions) (uintptr, error) {
	var options uintptr
	if err := l.api.do(createSessionOptions, uintptr(unsafe.Pointer(&options))); err != nil {
		return 0, fmt.Errorf("create session options: %w", err)
	}
	// A thread that spins while it waits takes the vCPU from another run.
	key, value := cString("session.intra_op.allow_spinning"), cString("0")
	err := errors.Join(
		l.api.do(setSessionGraphOptimizationLevel, options, optimizeAll),
		l.api.do(setIntraOpNumThreads, options, uintptr(max(opts.IntraOpThreads, 1))),
		l.api.do(setInterOpNumThreads, options, 1),
		l.api.do(addSessionConfigEntry, options, uintptr(unsafe.Pointer(unsafe.SliceData(key))),
			uintptr(unsafe.Pointer(unsafe.SliceData(value)))),
	)
	if err != nil {
		return options, fmt.Errorf("set session options: %w", err)
	}
	return options, nil
}

// Input describes the first tensor that the model takes.
func (s *Session) Input() Port { return s.input }

// Output describes the first output.
func (s *Session) Output() Port { return s.output }

// Inputs describes what the model takes.
func (s *Session) Inputs() []Port { return s.inputs }

// Outputs describes what the model gives.
func (s *Session) Outputs() []Port { return s.outputs }

// Single says whether Run serves the model: it takes one float32 tensor, and its
// first output is one.
func (s *Session) Single() bool { return s.single }

// Close releases the session. A second call does nothing.
func (s *Session) Close() {
	s.closeOnce.Do(func() {
		a := s.lib.api
		a.release(releaseSession, s.handle)
		for _, names := range s.owned {
			for _, name := range names {
				if name != 0 {
					// The status can only complain of a null argument.
					_ = a.do(allocatorFree, s.lib.allocator, name)
				}
			}
		}
	})
}
