package answer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
)

// Memory bounds the models that are loaded at a time.
type Memory struct {
	// MaxBytes is the most that they take together; 0 means that there is no
	// bound. Those that were used least recently go first.
	MaxBytes int64
	// Alone has a model that takes more be loaded without any other, instead of
	// being refused.
	Alone bool
	// Failed is called with each load that failed; nil calls nothing. What waits
	// for the model gets the error besides.
	Failed func(model string, err error)
}

const (
	// firstLoadMS is what a load is expected to take before any was measured: of
	// ResNet50 it is 200 ms from a disk.
	firstLoadMS = 250
	// failedFor is how long a failed load is not begun anew ahead of a query.
	failedFor = time.Minute
	// A model in memory takes its weights twice, as the library may keep them
	// packed in addition to the file's form, and the buffers of its runs.
	copies, bufferBytes = 2, 8 << 20
	// largeBytes is from which size on the bytes of a network are collected as soon as the
	// engine has its copy. The collector lets garbage grow to a multiple of what lived at its
	// last run, and if that was during a load, the network would count.
	largeBytes = 8 << 20
)

// build is one build of a model: another file under the same name is another.
type build struct{ name, sha256 string }

func buildOf(p *profile.Model) build { return build{p.Name, p.SHA256} }

// loadedModel is a model that is loaded or is being loaded. done closes once model or
// err is set.
type loadedModel struct {
	done    chan struct{}
	model   *engine.Model
	text    *Text // of a model that takes text
	err     error
	beganAt time.Time
	bytes   int64 // that are counted for it
	users   int   // that hold it, or wait for it
	used    int64 // when it was used last, in uses of any model
}

// ready reports whether the load has ended.
func (h *loadedModel) ready() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// ErrNotLoaded says that a model's load failed, so that nothing was run.
var ErrNotLoaded = errors.New("the model cannot be loaded")

// find returns a model of the catalogue that can be run.
func (a *Answerer) find(name string) (*profile.Model, error) {
	p, ok := a.catalogue.Current().Model(name)
	if !ok { // it may have been added this moment
		if err := profile.Refresh(a.catalogue); err != nil {
			return nil, fmt.Errorf("model %q is not known, and the catalogue cannot be read again: %w", name, err)
		}
		p, ok = a.catalogue.Current().Model(name)
	}
	if !ok || !p.Runnable() {
		return nil, fmt.Errorf("model %q is not one that catalogue %s can run", name, a.catalogue.Current().Name)
	}
	return p, nil
}

// acquire returns a model, loaded, which stays so until it is released.
func (a *Answerer) acquire(ctx context.Context, name string) (p *profile.Model, h *loadedModel, err error) {
	if p, err = a.find(name); err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	h = a.want(p)
	h.users++
	a.mu.Unlock()
	select {
	case <-h.done:
	case <-ctx.Done():
		a.release(h)
		return nil, nil, fmt.Errorf("load model %s: %w", name, ctx.Err())
	}
	if h.err != nil {
		a.release(h)
		return nil, nil, fmt.Errorf("%w: %w", ErrNotLoaded, h.err)
	}
	return p, h, nil
}

// release gives a model back that was acquired.
func (a *Answerer) release(h *loadedModel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.users--; h.users == 0 {
		a.freed.Broadcast()
	}
}

// want returns the entry of a model, whose load begins if there is none. The
// caller has the lock.
func (a *Answerer) want(p *profile.Model) *loadedModel {
	a.uses++
	h := a.models[buildOf(p)]
	if h == nil {
		h = &loadedModel{done: make(chan struct{}), beganAt: time.Now()}
		a.models[buildOf(p)] = h
		go a.load(p, h)
	}
	h.used = a.uses
	return h
}

// Prepare begins to load a model that is not loaded, and returns for how long
// its queries are expected to wait for that, in milliseconds: 0 when it is loaded,
// and for one that cannot be.
func (a *Answerer) Prepare(name string) (leftMS float64) {
	p, err := a.find(name)
	if err != nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.models[buildOf(p)]
	if h == nil {
		if time.Since(a.failedAt[buildOf(p)]) < failedFor {
			return 0
		}
		h = a.want(p)
	}
	if h.ready() {
		return 0
	}
	return max(1, a.expectedMS()-query.Milliseconds(time.Since(h.beganAt)))
}

// Loading reports whether a model is being loaded.
func (a *Answerer) Loading() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.models {
		if !h.ready() {
			return true
		}
	}
	return false
}

// expectedMS is the mean of the loads that were measured.
func (a *Answerer) expectedMS() float64 {
	if a.loads == 0 {
		return firstLoadMS
	}
	return a.loadsMS / float64(a.loads)
}

// load fills an entry. A failure is forgotten, so that the next query tries again.
func (a *Answerer) load(p *profile.Model, h *loadedModel) {
	m, err := a.open(p, h)
	a.mu.Lock()
	h.model, h.err = m, err
	if err != nil {
		a.bytes -= h.bytes
		delete(a.models, buildOf(p))
		a.failedAt[buildOf(p)] = time.Now()
		a.freed.Broadcast()
	} else {
		delete(a.failedAt, buildOf(p))
		a.loads++
		a.loadsMS += query.Milliseconds(time.Since(h.beganAt))
	}
	close(h.done)
	a.mu.Unlock()
	if err != nil && a.memory.Failed != nil && !errors.Is(err, engine.ErrClosed) {
		a.memory.Failed(p.Name, err)
	}
}

// open gets a model's file, checks that it is the one that the profile is of,
// makes room for it and hands it to the engine. It runs once, as a first inference
// takes up to twice the time of the later ones.
func (a *Answerer) open(p *profile.Model, h *loadedModel) (*engine.Model, error) {
	onnx, err := a.files.ONNX(p.Name)
	if err != nil {
		return nil, fmt.Errorf("get model %s: %w", p.Name, err)
	}
	if sum := sha256.Sum256(onnx); hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("model %s: the digest of its file is %x, but its profile was measured with the digest %s", p.Name, sum, p.SHA256)
	}
	if len(onnx) >= largeBytes {
		defer debug.FreeOSMemory() // nothing below refers to the bytes once this returns
	}
	if err := a.makeRoom(p.Name, h, copies*int64(len(onnx))+bufferBytes); err != nil {
		return nil, err
	}
	m, err := a.engine.Load(context.Background(), p.Name, onnx, a.threadsOf(p))
	if err != nil {
		return nil, err
	}
	if p.Takes() == profile.TextIn {
		if h.text, err = NewText(m.Takes(), onnx, *p.Text); err != nil {
			m.Close()
			return nil, fmt.Errorf("model %s: %w", p.Name, err)
		}
	}
	if !a.plain(p, m) {
		warmNamed(context.Background(), p, h, m, onnx)
		return m, nil
	}
	if _, err := m.Run(context.Background(), blank(p.Input)); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// makeRoom counts the bytes of an entry. Above the bound it unloads what
// nobody uses, the least recently used first, and waits for what is in use.
func (a *Answerer) makeRoom(name string, h *loadedModel, bytes int64) error {
	if bound := a.memory.MaxBytes; bound > 0 && a.memory.Alone {
		bytes = min(bytes, bound)
	} else if bound > 0 && bytes > bound {
		return fmt.Errorf("model %s takes about %d MB, above the %d MB that models may take", name, bytes>>20, bound>>20)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.memory.MaxBytes > 0 && a.bytes+bytes > a.memory.MaxBytes {
		if !a.unloadOne() {
			a.freed.Wait()
		}
	}
	h.bytes = bytes
	a.bytes += bytes
	return nil
}

// unloadOne unloads the model that nobody uses and whose last use is the longest
// ago; false when there is none. The caller has the lock.
func (a *Answerer) unloadOne() bool {
	var oldest build
	for b, h := range a.models {
		if h.idle() && (oldest == build{} || h.used < a.models[oldest].used) {
			oldest = b
		}
	}
	if oldest == (build{}) {
		return false
	}
	a.unload(oldest)
	return true
}

// idle says that a model is loaded and nobody uses it.
func (h *loadedModel) idle() bool { return h.users == 0 && h.ready() }

// unload unloads an idle model. The caller has the lock.
func (a *Answerer) unload(b build) {
	h := a.models[b]
	delete(a.models, b)
	a.bytes -= h.bytes
	h.model.Close() // nobody runs it: this waits for nothing
}

// Unload unloads what the catalogue does not have any more and nobody uses.
func (a *Answerer) Unload() {
	c := a.catalogue.Current()
	a.mu.Lock()
	defer a.mu.Unlock()
	for b, h := range a.models {
		if p, ok := c.Model(b.name); h.idle() && (!ok || p.SHA256 != b.sha256) {
			a.unload(b)
			a.freed.Broadcast()
		}
	}
}
