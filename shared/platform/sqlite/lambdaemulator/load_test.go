package lambdaemulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Whatever functions do, and the process that kills them: every event gets its own
// answer or a stated error, the bound holds, and the counts add up.
func TestUnderLoad(t *testing.T) {
	const callers, events, bound = 6, 15, 4
	in := start(t, Options{Functions: []Function{self("a"), self("b"), self("c")}, MaxConcurrency: bound})
	var answered, throttled, faults atomic.Int64
	var load sync.WaitGroup
	for caller := range callers {
		load.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 7))
			for i := range events {
				q := request{Do: []string{"", "", "", "", "", "", "error", "exit", "panic"}[random.IntN(9)], Text: fmt.Sprint(caller, i)}
				payload, _ := json.Marshal(q)
				inv, err := in.Invoke(t.Context(), []string{"a", "b", "c"}[random.IntN(3)], payload)
				var r reply
				switch {
				case errors.Is(err, platform.ErrThrottled):
					throttled.Add(1)
				case errors.Is(err, platform.ErrFault):
					faults.Add(1)
				case err != nil || json.Unmarshal(inv.Payload, &r) != nil || r.Text != q.Text || q.Do != "":
					t.Errorf("%+v got %s, %v", q, inv.Payload, err)
				default:
					answered.Add(1)
					if random.IntN(8) == 0 { // it may be idle, or busy with another's event
						_ = syscall.Kill(r.PID, syscall.SIGKILL)
					}
				}
				in.checkBound(t, bound)
			}
		})
	}
	load.Wait()
	var sum Stats
	for _, s := range in.Stats() {
		sum.Busy += s.Busy
		sum.Invocations += s.Invocations
		sum.Throttles += s.Throttles
		sum.Faults += s.Faults
	}
	want := Stats{Invocations: answered.Load() + faults.Load(), Throttles: throttled.Load(), Faults: faults.Load()}
	if sum != want || sum.Invocations+sum.Throttles != callers*events {
		t.Errorf("counted %+v, want %+v", sum, want)
	}
}

func (in *Invoker) checkBound(t *testing.T, bound int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.environments); n > bound {
		t.Errorf("%d environments", n)
	}
}
