package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
)

func libraryPath(t testing.TB) string {
	t.Helper()
	t.Setenv(onnxruntime.EnvLibrary, "")
	path, err := onnxruntime.Locate()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// hold takes a runner away, or waits for one as a run does.
func hold(t *testing.T, e *Engine) {
	if err := e.gate.Acquire(context.Background(), 1); err != nil {
		t.Error(err)
	}
}

// Runs start in the order in which they came. Between any two waits a holder,
// so that each run is over and noted before the next can start.
func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Runners: 1})
		m := load(t, e, enginetest.Affine(1, 0, -1, 1))
		hold(t, e)
		var order []int
		for i := range 5 {
			go func() {
				if _, err := m.Run(context.Background(), vector(1)); err != nil {
					t.Error(err)
				}
				order = append(order, i)
			}()
			synctest.Wait()
			go hold(t, e)
			synctest.Wait()
		}
		for i := range 5 {
			e.gate.Release(1)
			synctest.Wait()
			if len(order) != i+1 || order[i] != i {
				t.Fatalf("after %d turns: %v", i+1, order)
			}
		}
		e.gate.Release(1)
	})
}

// A caller that gives up leaves the line at once, and takes no runner with it.
func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Runners: 1})
		m := load(t, e, enginetest.Affine(1, 0, -1, 1))
		hold(t, e)
		ctx, cancel := context.WithCancel(context.Background())
		var gaveUp error
		go func() { _, gaveUp = m.Run(ctx, vector(1)) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(gaveUp, context.Canceled) {
			t.Errorf("gave up with %v", gaveUp)
		}
		e.gate.Release(1)
		if _, err := m.Run(context.Background(), vector(1)); err != nil {
			t.Errorf("next run: %v", err)
		}
	})
}

// The caller who waits for a runner while the engine closes gets that as an error.
func TestCloseTurnsWaitersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Runners: 1})
		m := load(t, e, enginetest.Affine(1, 0, -1, 1))
		hold(t, e)
		var refused error
		go func() { _, refused = m.Run(context.Background(), vector(1)) }()
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e.gate.Release(1)
		synctest.Wait()
		if !errors.Is(refused, ErrClosed) {
			t.Errorf("the waiter got %v", refused)
		}
		if _, err := e.Load(context.Background(), "test", nil, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("load after close: %v", err)
		}
	})
}

// Close returns only once runs in progress are over.
func TestCloseWaitsForRuns(t *testing.T) {
	e := open(t, Options{})
	m := load(t, e, enginetest.Affine(1, 0, -1, 1))
	m.mu.RLock() // as a run in progress does
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	for m.mu.TryRLock() { // until Close waits for the lock
		m.mu.RUnlock()
	}
	select {
	case err := <-closed:
		t.Fatalf("closed during a run: %v", err)
	default:
	}
	m.mu.RUnlock()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
}

// Runs and closes at once: each run either computes or says it came too late.
func TestCloseDuringRuns(t *testing.T) {
	for range 20 {
		e := open(t, Options{Runners: 4})
		m := load(t, e, enginetest.Affine(2, 0, -1, 1))
		results := make(chan error)
		for range 8 {
			go func() {
				for {
					out, err := m.Run(context.Background(), vector(21))
					if err == nil && !slices.Equal(out.Data, []float32{42}) {
						err = fmt.Errorf("computed %v", out)
					}
					if err != nil {
						results <- err
						return
					}
				}
			}()
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
		}
	}
}
