// Package up runs `paragon up` as a child process, for measurements that must not share
// their memory and their garbage collection with what they measure.
package up

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// stopFor is how long a stage may take to end in order.
const stopFor = 30 * time.Second

// Stage is a `paragon up` that is killed and started again at the same address, on the
// same folder. One goroutine uses it; PID and Children may be called from any.
type Stage struct {
	Binary string
	Args   []string
	Log    io.Writer // gets what it prints
	cmd    *exec.Cmd
	pid    atomic.Int64
	ended  chan struct{}
}

// FreeAddress is an address of this machine on which nothing listens.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Start starts it and returns once it says that it is ready.
func (s *Stage) Start() error {
	s.cmd = exec.Command(s.Binary, s.Args...)
	s.cmd.Stderr = s.Log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this process, which ends the stage
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Binary, err)
	}
	s.pid.Store(int64(s.cmd.Process.Pid))
	s.ended = make(chan struct{})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		_ = s.cmd.Wait() // how it ended stands in its log
		close(s.ended)
	}()
	if err != nil || !strings.Contains(line, "ready") {
		s.Kill()
		return fmt.Errorf("%s ended before it was ready: its log says why", s.Binary)
	}
	return nil
}

// PID is its process id, the last one after it has ended.
func (s *Stage) PID() int { return int(s.pid.Load()) }

// Kill ends it, and with it its children, at whatever line it is.
func (s *Stage) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}

// Stop ends it in order.
func (s *Stage) Stop() error {
	if s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	late := time.NewTimer(stopFor)
	defer late.Stop()
	select {
	case <-s.ended:
		return nil
	case <-late.C:
		s.Kill()
		return fmt.Errorf("the stage did not end within %s and was killed", stopFor)
	}
}

// Children are the process ids of the stage's children that run a binary, in order;
// none where there is no /proc.
func (s *Stage) Children(name string) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var out []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		head, tail, _ := strings.Cut(string(text), ") ") // pid (name) state ppid ...
		pid, command, _ := strings.Cut(head, " (")
		fields := strings.Fields(tail)
		if command != name || len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(s.PID()) {
			continue
		}
		if n, err := strconv.Atoi(pid); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
