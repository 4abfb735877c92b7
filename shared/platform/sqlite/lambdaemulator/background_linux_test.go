package lambdaemulator

import (
	"syscall"
	"testing"

	"github.com/paragon-serving/paragon/shared/priority"
)

// niceness returns a process's. The system call returns 20 less it.
func niceness(t *testing.T, pid int) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

// Functions leave the cores to the workers of their machine.
func TestFunctionsRunInTheBackground(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("f")}})
	answered, _ := call(t, in, "f", "")
	if got, want := niceness(t, answered.PID), max(niceness(t, 0), priority.Nice); got != want {
		t.Errorf("the function's niceness is %d, want %d", got, want)
	}
}
