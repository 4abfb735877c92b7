package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute // until a server's first answer
	pollEvery    = 50 * time.Millisecond
	stopGrace    = 10 * time.Second // to end in order
)

// command is what starts a server.
type command struct {
	path string
	args []string
	dir  string
	env  []string // besides this process's
}

// process is a server of some processes. One runs at a time: all descendants of
// this process are taken for its own.
type process struct {
	protocol
	address string
	cmd     *exec.Cmd
	log     string // file of what it prints
	ended   chan struct{}
}

// launch starts a server and returns once it has answered the first input.
func launch(ctx context.Context, c command, address string, p protocol, scratch string) (*process, error) {
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(scratch, "server.log"))
	if err != nil {
		return nil, fmt.Errorf("keep what the server prints: %w", err)
	}
	defer log.Close()
	s := &process{protocol: p, address: address, log: log.Name(), ended: make(chan struct{})}
	s.cmd = exec.Command(c.path, c.args...)
	s.cmd.Dir, s.cmd.Env = c.dir, append(os.Environ(), c.env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this process, which ends its servers
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended stands in its log
		close(s.ended)
	}()
	if err := s.ready(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// ready asks until there is an answer.
func (s *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	conn, err := s.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		if err = conn.Call(ctx, 0); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended before it answered: %s", s.lastLines())
		case <-ctx.Done():
			return fmt.Errorf("the server did not answer: %w: %s", err, s.lastLines())
		case <-poll.C:
		}
	}
}

// lastLines is the end of what the server printed.
func (s *process) lastLines() string {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(raw))
}

// lastLines is the end of a log on one line.
func lastLines(text string) string {
	const most = 3
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], " / ")
}

// Connect opens a connection when it is first used.
func (s *process) Connect() (Conn, error) {
	return &httpConn{address: s.address, protocol: s.protocol}, nil
}

// Usage adds up all processes of the server. Those that ended count through
// the process that waited for them.
func (s *process) Usage() (Usage, error) {
	var u Usage
	all, err := descendants(os.Getpid())
	if err != nil {
		return u, err
	}
	for _, p := range all {
		u.CPU += p.cpu
		mb, err := memoryMB(p.pid)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			return u, err
		}
		u.MemoryMB += mb
	}
	return u, nil
}

// Stop asks the server to end, and ends what is left of it after a grace.
func (s *process) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-s.ended:
	case <-grace.C:
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	for {
		left, err := descendants(os.Getpid())
		if err != nil || len(left) == 0 {
			return
		}
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		for _, p := range left { // those that are children by now; the others are in the next round
			_, _ = syscall.Wait4(p.pid, nil, 0, nil)
		}
	}
}

// proc is one process as the kernel lists it.
type proc struct {
	pid, parent int
	cpu         time.Duration // its own and that of children it waited for
}

// ticksPerSecond is the unit of CPU times in /proc, the same on all of Linux's
// 64-bit architectures.
const ticksPerSecond = 100

// parseStat reads /proc/PID/stat: pid (name) state ppid ..., with user and system
// time, and those of children, in the fields 14 to 17.
func parseStat(text string) (proc, error) {
	name := strings.LastIndexByte(text, ')') // a name may hold anything
	head, _, ok := strings.Cut(text, " (")
	fields := strings.Fields(text[name+1:])
	if !ok || len(fields) < 15 {
		return proc{}, fmt.Errorf("%.60q is no process", text)
	}
	var p proc
	var errs [6]error
	p.pid, errs[0] = strconv.Atoi(head)
	p.parent, errs[1] = strconv.Atoi(fields[1])
	for i, field := range fields[11:15] {
		ticks, err := strconv.Atoi(field)
		errs[2+i] = err
		p.cpu += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return p, errors.Join(errs[:]...)
}

// descendants are the processes below one, without it.
func descendants(root int) ([]proc, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]proc{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		p, err := parseStat(string(text))
		if err != nil {
			return nil, err
		}
		children[p.parent] = append(children[p.parent], p)
	}
	below := children[root]
	for i := 0; i < len(below); i++ {
		below = append(below, children[below[i].pid]...)
	}
	return below, nil
}

// memoryMB is a process's memory, shared pages divided among those who share them.
func memoryMB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1024, err
		}
	}
	return 0, io.ErrUnexpectedEOF
}

// freePorts returns loopback ports that nobody listens on.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
