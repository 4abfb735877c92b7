package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// hammerRuns is how many runs the hammer makes, unless PARAGON_HAMMER_RUNS
// says otherwise; a million belongs before a change of the binding ships.
const hammerRuns = 100_000

// Eight goroutines run two models while the garbage collector never rests and
// stacks grow and move: whatever the binding fails to keep in place for C
// shows as a wrong number or a crash.
func TestHammer(t *testing.T) {
	runs := hammerRuns
	if own := os.Getenv("PARAGON_HAMMER_RUNS"); own != "" {
		var err error
		if runs, err = strconv.Atoi(own); err != nil {
			t.Fatal(err)
		}
	}
	e := open(t, Options{Runners: 8})
	models := []*Model{load(t, e, enginetest.Affine(2, 1, -1, 16)), load(t, e, enginetest.Affine(2, 1, -1, 3, -1))}
	stop := collectGarbage()
	var left, mismatches atomic.Int64
	left.Store(int64(runs))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				// A new goroutine begins with a small stack, which grows, and so
				// moves, now before the call of C and now on the way into it.
				result := make(chan error)
				go func() { result <- deep(int(n%97), func() error { return hammer(models[n%2], n) }) }()
				if err := <-result; err != nil {
					mismatches.Add(1)
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d runs, %d collections, %d mismatches", runs, stop(), mismatches.Load())
}

// collectGarbage collects until it is stopped, and then gives the count.
func collectGarbage() (stop func() int) {
	done, count := make(chan struct{}), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				count <- n
				return
			default:
				runtime.GC()
			}
		}
	}()
	return func() int { close(done); return <-count }
}

// deep calls f some levels further down the stack.
func deep(levels int, f func() error) error {
	var weight [64]byte
	if levels == 0 {
		return f()
	}
	weight[levels%64] = 1
	err := deep(levels-1, f)
	if weight[levels%64] != 1 { // also keeps the array on the stack
		return fmt.Errorf("the stack at level %d was overwritten", levels)
	}
	return err
}

// hammer makes a run of which the size depends on n and checks every number.
func hammer(m *Model, n int64) error {
	shape := m.InputShape()
	for i, d := range shape {
		if d < 0 {
			shape[i] = 1 + n%5
		}
	}
	elements := 1
	for _, d := range shape {
		elements *= int(d)
	}
	in := Tensor{Shape: shape, Data: make([]float32, elements)}
	for i := range in.Data {
		in.Data[i] = float32(n%1000 + int64(i)) // small whole numbers compute exactly
	}
	out, err := m.Run(context.Background(), in)
	if err != nil {
		return err
	}
	if fmt.Sprint(out.Shape) != fmt.Sprint(shape) {
		return fmt.Errorf("run %d: shape %v, want %v", n, out.Shape, shape)
	}
	for i, v := range out.Data {
		if v != 2*in.Data[i]+1 {
			return fmt.Errorf("run %d: element %d is %v, want %v", n, i, v, 2*in.Data[i]+1)
		}
	}
	return nil
}
