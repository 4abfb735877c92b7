package engine

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// namedRuns is how many runs by name the hammer makes; a run of strings and maps
// makes some twenty calls of C.
const namedRuns = 4_000

// Runs by name, of many inputs, strings and maps, while the garbage collector
// never rests and stacks move.
func TestHammerNamed(t *testing.T) {
	e := open(t, Options{Runners: 8})
	types := []enginetest.ElementType{enginetest.Float32, enginetest.String, enginetest.Int64, enginetest.Bool, enginetest.Float16}
	identity := load(t, e, enginetest.Identity(types, -1))
	forest := load(t, e, enginetest.Forest(3, 0.5, [2]string{"no", "yes"}))
	stop := collectGarbage()
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for n := range namedRuns / 8 {
				result := make(chan error)
				go func() {
					result <- deep((g+n)%97, func() error {
						if n%2 == 0 {
							return hammerIdentity(identity, n)
						}
						return hammerForest(forest, n)
					})
				}()
				if err := <-result; err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d collections", stop())
}

func hammerIdentity(m *Model, n int) error {
	var in []tensors.Tensor
	size := int64(n % 5)
	for _, p := range m.Inputs() {
		x := tensors.Tensor{Name: p.Name, Datatype: p.Datatype, Shape: []int64{size}}
		for i := range int(size) {
			if p.Datatype == tensors.Bytes {
				x.Data = tensors.AppendString(x.Data, fmt.Sprint("text ", n*i))
			} else {
				x.Data = append(x.Data, bytes.Repeat([]byte{byte(n+i) & 1}, p.Datatype.Size())...)
			}
		}
		in = append(in, x)
	}
	out, err := m.RunNamed(context.Background(), in)
	if err != nil {
		return err
	}
	for i, got := range out {
		if !bytes.Equal(got.Data, in[i].Data) {
			return fmt.Errorf("run %d: output %s is %v, want %v", n, got.Name, got.Data, in[i].Data)
		}
	}
	return nil
}

func hammerForest(m *Model, n int) error {
	in := tensors.FromFloats("X", []int64{2, 3}, []float32{float32(n / 2 % 2), 0, 0, 0, 0, 0})
	out, err := m.RunNamed(context.Background(), []tensors.Tensor{in})
	if err != nil {
		return err
	}
	want := []float32{1, 0, 1, 0}
	if n/2%2 == 1 {
		want = []float32{0.25, 0.75, 1, 0}
	}
	if got, _ := out[1].Floats(); fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(out[1].Keys) != "[no yes]" {
		return fmt.Errorf("run %d: %v of %v, want %v", n, got, out[1].Keys, want)
	}
	return nil
}
