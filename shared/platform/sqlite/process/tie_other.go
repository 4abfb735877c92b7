//go:build !linux

package process

import (
	"os"
	"syscall"
)

// tied does nothing where the kernel offers no death signal: a child notices
// there that its parent's socket is gone and ends by itself.
func tied() *syscall.SysProcAttr { return nil }

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

func stop(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }

func goOn(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }

func kill(p *os.Process) { _ = p.Kill() }
