// Package e2e_test drives the built binaries as a person would: it brings
// Paragon up, puts queries through the API and kills processes.
package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// root is the repository, from this folder.
const root = "../../.."

// patience bounds every wait for something that must happen; nothing is
// asserted about how long it took.
const patience = 2 * time.Minute

// stage is one `paragon up`.
type stage struct {
	t    testing.TB
	args []string
	URL  string
	*client.Client
	cmd  *exec.Cmd
	log  *lockedBuffer // its standard error
	out  *lockedBuffer // its standard output, without the line that says that it is ready
	done chan struct{}
}

// up brings Paragon up on a data folder and returns once it says that it is
// ready. It is stopped when the test ends.
func up(t testing.TB, dataDir string, args ...string) *stage {
	t.Helper()
	s := &stage{t: t, args: append([]string{"up", "--data", dataDir}, args...)}
	s.start("127.0.0.1:0")
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("what paragon up said:\n%s", s.log)
		}
	})
	return s
}

// start runs the binary and reads the one line that it prints when it is ready.
func (s *stage) start(addr string) {
	s.t.Helper()
	s.cmd = exec.Command(built(s.t, "paragon"), append(s.args, "--addr", addr)...)
	s.log, s.out = &lockedBuffer{}, &lockedBuffer{}
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	lines := bufio.NewReader(out)
	ready, err := lines.ReadString('\n')
	if err != nil {
		_ = s.cmd.Wait()
		s.t.Fatalf("paragon up ended before it was ready:\n%s", s.log)
	}
	fields := strings.Fields(ready)
	s.URL = fields[len(fields)-1]
	go func() {
		_, _ = io.Copy(s.out, lines)
		_ = s.cmd.Wait()
		close(s.done)
	}()
	if s.Client != nil {
		return // the same address as before: callers under way keep theirs
	}
	if s.Client, err = client.New(client.Config{Endpoint: s.URL, Attempts: 60, HTTP: client.NewHTTP(64), Operator: operator.At(s.URL)}); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends it in order.
func (s *stage) stop() {
	if s.cmd.Process.Signal(syscall.SIGTERM) == nil {
		s.wait()
	}
}

// kill ends it at the worst line.
func (s *stage) kill() {
	_ = s.cmd.Process.Kill()
	s.wait()
}

// wait waits for the process to end.
func (s *stage) wait() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Errorf("paragon up did not end:\n%s", s.log)
	}
}

// restart brings it up again at the same address.
func (s *stage) restart() {
	s.t.Helper()
	s.start(strings.TrimPrefix(s.URL, "http://"))
}

// children returns the process ids of the children that run a binary.
func (s *stage) children(name string) []int {
	s.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		s.t.Fatal(err)
	}
	var pids []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state ppid ...
		head, tail, _ := strings.Cut(string(text), ") ")
		pid, comm, _ := strings.Cut(head, " (")
		if fields := strings.Fields(tail); comm == name && len(fields) > 1 && fields[1] == strconv.Itoa(s.cmd.Process.Pid) {
			n, _ := strconv.Atoi(pid)
			pids = append(pids, n)
		}
	}
	return pids
}

// checks returns the process ids of the children that check a model. A child that has not
// yet begun the program that it is started for has the name of its parent, too.
func (s *stage) checks() []int {
	s.t.Helper()
	return slices.DeleteFunc(s.children("paragon"), func(pid int) bool {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err != nil || !slices.Contains(strings.Split(string(command), "\x00"), "model-check")
	})
}

// until looks at a condition again and again until it holds.
func (s *stage) until(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-deadline.C:
			s.t.Fatalf("%s did not come to be", what)
		}
	}
}

// pool returns the status of the one pool; the zero value while there is none.
func (s *stage) pool() api.PoolStatus {
	st, err := s.Status(context.Background())
	if err != nil || len(st.Pools) == 0 {
		return api.PoolStatus{}
	}
	return st.Pools[0]
}

// workersReady waits for the given number of ready workers, and for intake to place by
// a view that has them.
func (s *stage) workersReady(n int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d ready workers", n), func() bool { return s.pool().Ready == n })
	probe := strict(pictures(s.t)[0])
	s.until("placement on workers", func() bool { return s.one(probe).ServedBy.Kind == query.OnWorker })
}

// finish waits for queries to end.
func (s *stage) finish(q api.Query) api.Query {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done, err := s.Await(ctx, q, 20*time.Second)
	if err != nil {
		s.t.Fatalf("query %s did not end: %v", q.ID, err)
	}
	return done
}

// built returns the path of a built binary.
func built(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make build` first, or `make test`, which does", err)
	}
	return path
}

// lockedBuffer keeps what a process printed.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
