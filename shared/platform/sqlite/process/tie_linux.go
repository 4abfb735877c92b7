package process

import (
	"os"
	"syscall"
)

// tied makes the child a process group of its own, so that a kill reaches what
// it starts and a terminal's interrupt does not reach it, and has the kernel
// kill it when the thread that forked it ends.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// An error of the signals below means that the process has ended already.

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

func stop(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }

func goOn(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }

// kill reaches the whole group. One whose leader was reaped is left alone: its
// number may be another's by now.
func kill(p *os.Process) {
	if p.Signal(syscall.Signal(0)) == nil {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
}
