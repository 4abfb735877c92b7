package priority

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// niceness returns the calling thread's. The system call returns 20 less it.
func niceness(t *testing.T) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

func TestBackgroundLowersItsOwnThreadAlone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, within := niceness(t), 0
	thread, other := syscall.Gettid(), 0
	Background(func() { within, other = niceness(t), syscall.Gettid() })
	if want := max(before, Nice); within != want || other == thread {
		t.Errorf("niceness %d on thread %d, want %d on another than %d", within, other, want, thread)
	}
	if after := niceness(t); after != before {
		t.Errorf("the caller's niceness is %d, and was %d", after, before)
	}
}

func TestAPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if got := recover(); got != "broken" {
			t.Errorf("got %v", got)
		}
	}()
	Background(func() { panic("broken") })
}

// All threads of the process have the idle priority, and those of this one keep theirs.
func TestIdleProcessLowersAnotherProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) })
	IdleProcess(cmd.Process.Pid)
	for pid, want := range map[int]uint32{cmd.Process.Pid: unix.SCHED_IDLE, 0: unix.SCHED_NORMAL} {
		if got, err := unix.SchedGetAttr(pid, 0); err != nil || got.Policy != want {
			t.Errorf("process %d has policy %d (%v), want %d", pid, got.Policy, err, want)
		}
	}
}
