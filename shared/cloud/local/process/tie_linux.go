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

func kill(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // the group
	_ = p.Kill()
}
