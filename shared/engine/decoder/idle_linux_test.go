package decoder

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The processes give way to everything else on the machine, all threads of them.
func TestProcessesRunWhereNothingElseDoes(t *testing.T) {
	p := pool(t, decodes)
	c, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	defer p.give(c)
	if _, err := c.exchange(request{Data: encoded(t, 16), Spec: spec}); err != nil { // it runs
		t.Fatal(err)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(err, threads)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", c.cmd.Process.Pid, thread.Name()))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after) // from the third of proc_pid_stat(5) on; the 41st is the policy
		if policy := fields[38]; policy != fmt.Sprint(unix.SCHED_IDLE) {
			t.Errorf("thread %s has policy %s, want SCHED_IDLE", thread.Name(), policy)
		}
	}
}
