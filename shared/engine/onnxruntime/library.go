// Package onnxruntime is a small binding of ONNX Runtime's C API, without cgo.
//
// It covers what serving needs and no more: a session made from the bytes of
// a model that takes one float32 tensor, and runs of it from many goroutines.
// The library is a file found by Locate and checked by Open against the
// digests of known builds; it needs GLIBC 2.28 and libstdc++.
//
// Memory: Go memory that C reads or writes is pinned for as long as C may
// touch it, and everything that C allocates is released or copied before a
// function returns.
package onnxruntime

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is an opened ONNX Runtime. Its methods may be called from many
// goroutines, but Close only after every session is closed.
type Library struct {
	api       api
	path      string
	version   string
	env       uintptr // OrtEnv*
	cpu       uintptr // OrtMemoryInfo*: "this memory is the CPU's"
	allocator uintptr // OrtAllocator*, the library's own and never released
	closeOnce sync.Once
}

// Open checks the file at path against the digests of known builds (see
// VerifyDigest) and loads it. The code stays mapped until the process ends,
// Close or not: libraries with threads do not survive being unloaded.
func Open(path string) (*Library, error) {
	// A bare file name would be looked up in the system's folders, and another
	// file loaded than the one that was checked.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find ONNX Runtime library: %w", err)
	}
	if err := VerifyDigest(path); err != nil {
		return nil, err
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s (it needs GLIBC 2.28 and libstdc++): %w", path, err)
	}
	base, err := purego.Dlsym(handle, "OrtGetApiBase")
	if err != nil {
		return nil, fmt.Errorf("%s is not ONNX Runtime: %w", path, err)
	}
	lib := &Library{path: path}
	if err := lib.bind(base); err != nil {
		return nil, fmt.Errorf("set up %s: %w", path, err)
	}
	if err := lib.start(); err != nil {
		lib.Close()
		return nil, fmt.Errorf("start ONNX Runtime %s: %w", lib.version, err)
	}
	return lib, nil
}

// bind asks the library for its version and its table of functions through
// OrtApiBase, a struct of two function pointers.
func (l *Library) bind(getAPIBase uintptr) error {
	base := (*struct{ getAPI, getVersionString uintptr })(pointer(call(getAPIBase)))
	if base == nil {
		return errors.New("OrtGetApiBase gives nothing")
	}
	l.version = goString(call(base.getVersionString), maxIdentifierSize)
	table := call(base.getAPI, apiVersion)
	if table == 0 {
		return fmt.Errorf("version %s does not offer API version %d", l.version, apiVersion)
	}
	l.api = api{table: (*[functions]uintptr)(pointer(table))}
	return nil
}

// start creates what all sessions share.
func (l *Library) start() error {
	// Errors come back to the caller; the library must not print them as well.
	name := cString("paragon")
	if err := l.api.do(createEnv, logFatal, uintptr(unsafe.Pointer(unsafe.SliceData(name))),
		uintptr(unsafe.Pointer(&l.env))); err != nil {
		return fmt.Errorf("create environment: %w", err)
	}
	if err := l.api.do(createCPUMemoryInfo, arenaAllocator, defaultMemory,
		uintptr(unsafe.Pointer(&l.cpu))); err != nil {
		return fmt.Errorf("describe CPU memory: %w", err)
	}
	if err := l.api.do(getAllocatorWithDefaultOptions, uintptr(unsafe.Pointer(&l.allocator))); err != nil {
		return fmt.Errorf("get allocator: %w", err)
	}
	return nil
}

// Version is what the library calls itself, such as "1.24.3".
func (l *Library) Version() string { return l.version }

// Path is the file the library was opened from.
func (l *Library) Path() string { return l.path }

// Close releases what all sessions share. A second call does nothing.
func (l *Library) Close() {
	l.closeOnce.Do(func() {
		l.api.release(releaseMemoryInfo, l.cpu)
		l.api.release(releaseEnv, l.env)
	})
}
