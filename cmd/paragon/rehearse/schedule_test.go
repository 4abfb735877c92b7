//go:build rehearse

package rehearse

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// schedule starts the controller once a minute, whether or not the invocation before
// it has ended; where one has ended, sooner, so that less is waited for.
type schedule struct {
	first sync.Once
	begun chan struct{} // closed by the first expectation
	due   chan struct{} // a minute is over
	over  chan struct{} // closed when the schedule is deleted
}

func newSchedule() *schedule {
	return &schedule{begun: make(chan struct{}), due: make(chan struct{}), over: make(chan struct{})}
}

// begins has the schedule start the controller from now on.
func (s *schedule) begins() { s.first.Do(func() { close(s.begun) }) }

// ticks has the controller tick, as its schedule does, whatever comes of it.
func (s *scenario) ticks() {
	<-s.begun
	for s.ctx.Err() == nil {
		ended := make(chan error, 1)
		go func() {
			_, err := s.api.Invoke(s.ctx, names.Function(stage, "controller"), []byte("{}"))
			ended <- err
		}()
		minute := time.After(time.Minute)
		select {
		case <-s.over:
			return
		case <-s.ctx.Done():
		case <-minute:
		case <-s.due:
		case err := <-ended:
			if err != nil && s.ctx.Err() == nil {
				<-time.After(time.Second)
				continue
			}
			select { // a run that ended early: the stage is at rest until the next one
			case <-s.over:
				return
			case <-s.ctx.Done():
			case <-minute:
			case <-s.due:
			}
		}
	}
}

// controller stops the controller's process where what it decided is on its way to the
// table, for longer than a minute, which is not waited for; or lets it go on, by when
// another has the lease and what it decided arrives.
func (s *scenario) controller(what string) {
	s.t.Helper()
	switch what {
	case "stops":
		s.stand.faults.Hold("controller", "TransactWriteItems")
		s.until(s.line, s.stand.faults.Held)
		s.signalFunction("controller", syscall.SIGSTOP)
		s.due <- struct{}{}
	case "goes on":
		if status := s.stand.faults.Release(); status != http.StatusBadRequest {
			s.t.Errorf("%s: what it decided before it lost its lease is answered %d, want a refusal", s.line, status)
		}
		s.signalFunction("controller", syscall.SIGCONT)
	default:
		s.t.Fatalf("%s: a controller stops or goes on", s.line)
	}
}

// signalFunction sends a signal to the processes of a function.
func (s *scenario) signalFunction(name string, signal syscall.Signal) {
	s.t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	must(s.t, err)
	sent := 0
	for _, f := range environments {
		text, err := os.ReadFile(f)
		if err != nil || !strings.Contains("\x00"+string(text), "\x00AWS_LAMBDA_FUNCTION_NAME="+names.Function(stage, name)+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if parent := parentOf(pid); err != nil || parent != os.Getpid() {
			continue
		}
		must(s.t, syscall.Kill(pid, signal))
		sent++
	}
	if sent == 0 {
		s.t.Fatalf("%s: no process of %s", s.line, name)
	}
}

// parentOf is the process that started one.
func parentOf(pid int) (parent int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // one that has ended has no parent
	if _, after, found := strings.Cut(string(text), ") "); found {
		var state string
		_, _ = fmt.Sscan(after, &state, &parent)
	}
	return parent
}
