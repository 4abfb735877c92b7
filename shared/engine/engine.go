// Package engine runs models: it owns the ONNX Runtime library, the models
// that are loaded, and the gate that bounds how many inferences run at once.
//
// One session a model is shared by all goroutines, and a run uses one thread:
// throughput then grows with the number of runners up to the number of vCPUs,
// beyond which runs only take each other's time. Callers above the bound wait
// their turn, first come, first served.
package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// Tensor is a dense row-major float32 tensor.
type Tensor = tensor.Tensor

// InputError says that an input does not fit a model; it is the caller's mistake.
type InputError = tensor.InputError

// ErrClosed is returned by what is used after its engine or model was closed.
var ErrClosed = errors.New("closed")

// Options say how an engine works. The zero value is a good start.
type Options struct {
	// LibraryPath is ONNX Runtime's file; empty means onnxruntime.Locate.
	LibraryPath string
	// Runners is the most inferences at once; 0 means GOMAXPROCS.
	Runners int
}

// Engine owns the library and the loaded models. Its methods may be called
// from many goroutines.
type Engine struct {
	lib     *onnxruntime.Library
	runners int
	gate    *semaphore.Weighted // first come, first served

	mu     sync.Mutex // guards what follows
	closed bool
	models map[modelKey]*loading
}

// modelKey identifies models: the same name with other bytes or threads is another model.
type modelKey struct {
	name    string
	digest  [sha256.Size]byte
	threads int
}

// loading is a model that is being loaded or was: done closes once model or
// err is set, and both stay as they are from then on.
type loading struct {
	done  chan struct{}
	model *Model
	err   error
}

// New opens the library. It fails if the library is not found, is not one of
// the known builds, or if an option is negative.
func New(opts Options) (*Engine, error) {
	if opts.Runners < 0 {
		return nil, fmt.Errorf("engine options: runners %d must not be negative", opts.Runners)
	}
	if opts.Runners == 0 {
		opts.Runners = runtime.GOMAXPROCS(0)
	}
	path := opts.LibraryPath
	if path == "" {
		var err error
		if path, err = onnxruntime.Locate(); err != nil {
			return nil, err
		}
	}
	lib, err := onnxruntime.Open(path)
	if err != nil {
		return nil, err
	}
	return &Engine{
		lib:     lib,
		runners: opts.Runners,
		gate:    semaphore.NewWeighted(int64(opts.Runners)),
		models:  map[modelKey]*loading{},
	}, nil
}

// LibraryVersion is the version of ONNX Runtime, such as "1.24.3".
func (e *Engine) LibraryVersion() string { return e.lib.Version() }

// Runners is the most inferences that run at once.
func (e *Engine) Runners() int { return e.runners }

// Load prepares the ONNX file whose bytes are given; they may be dropped
// afterwards. One inference runs on that number of threads; below 1 stands for 1. More help
// only a process that runs one inference at a time. The same name, bytes and threads give
// the same Model, loaded once however many goroutines ask; a failure is forgotten, so that
// the next call tries again. ctx ends the wait for another goroutine's load; a load that has begun
// here runs to its end (from 2 ms for a small network to 200 for ResNet50).
func (e *Engine) Load(ctx context.Context, name string, onnx []byte, threads int) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load model %q: %w", name, err)
	}
	key := modelKey{name: name, digest: sha256.Sum256(onnx), threads: max(threads, 1)}
	l, mine, err := e.startLoading(key)
	if err != nil {
		return nil, fmt.Errorf("load model %q: %w", name, err)
	}
	if mine {
		e.load(key, l, onnx)
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("load model %q: %w", name, ctx.Err())
	}
	if l.err != nil {
		return nil, fmt.Errorf("load model %q: %w", name, l.err)
	}
	return l.model, nil
}

// startLoading returns the entry of key, and whether the caller is the one to load it.
func (e *Engine) startLoading(key modelKey) (l *loading, mine bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, false, fmt.Errorf("engine: %w", ErrClosed)
	}
	if l, ok := e.models[key]; ok {
		return l, false, nil
	}
	l = &loading{done: make(chan struct{})}
	e.models[key] = l
	return l, true, nil
}

// load fills an entry that the caller has claimed.
func (e *Engine) load(key modelKey, l *loading, onnx []byte) {
	defer close(l.done)
	session, err := e.lib.NewSession(onnx, onnxruntime.SessionOptions{IntraOpThreads: key.threads})
	if err != nil {
		l.err = err
		e.forget(key, l)
		return
	}
	l.model = &Model{engine: e, name: key.name, session: session}
	l.model.forget = func() { e.forget(key, l) }
}

// forget drops an entry, unless a later load has taken its place.
func (e *Engine) forget(key modelKey, l *loading) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.models[key] == l {
		delete(e.models, key)
	}
}

// Close waits for loads and runs in progress, then closes every model and the
// library. Callers that wait for a runner get ErrClosed. A second call does
// nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	entries := make([]*loading, 0, len(e.models))
	for _, l := range e.models {
		entries = append(entries, l)
	}
	e.mu.Unlock()

	for _, l := range entries {
		<-l.done
		if l.model != nil {
			l.model.Close()
		}
	}
	e.lib.Close()
	return nil
}
