package lambdaemulator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// awaitState returns once a process is in a state of the kernel's: T is stopped.
func awaitState(t *testing.T, pid int, state string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(after, state) {
			return
		}
	}
	t.Fatalf("the process is not in state %s after %v", state, patience)
}

// patience is for a signal on a busy machine.
const patience = 20 * time.Second

// Between two events a process is stopped, as on Lambda; it answers the next one all
// the same, and is stopped again.
func TestAProcessIsFrozenBetweenEvents(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}, Freeze: true})
	first, _ := call(t, in, "f", "")
	awaitState(t, first.PID, "T")
	second, init := call(t, in, "f", "")
	if second.PID != first.PID || init != 0 {
		t.Errorf("another process answered, after %v ms", init)
	}
	awaitState(t, first.PID, "T")
}

// A frozen process that has registered an extension is let go on to write what is
// left, and one that has not is killed.
func TestAFrozenProcessLearnsOfItsEnd(t *testing.T) {
	for _, extended := range []bool{true, false} {
		c, marker := &clock{}, filepath.Join(t.TempDir(), "marker")
		f := self("f", "TEST_MARKER="+marker)
		if extended {
			f.Env = append(f.Env, "TEST_INIT=extended")
		}
		in := start(t, Options{Functions: []Function{f}, Freeze: true, KeepAlive: time.Minute, Now: c.now})
		call(t, in, "f", "")
		e := in.only(t)
		c.add(time.Hour)
		in.mu.Lock()
		in.expire(c.now())
		in.mu.Unlock()
		<-e.gone
		<-e.child.Done()
		if _, err := os.Stat(marker); (err == nil) != extended {
			t.Errorf("extended %v: the marker: %v", extended, err)
		}
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
