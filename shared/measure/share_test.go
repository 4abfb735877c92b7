package measure

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// kernel plays a control group file system: a group that is made has its files.
func kernel(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestWithoutGroupsThereAreNoShares(t *testing.T) {
	for name, root := range map[string]string{
		"nothing":        t.TempDir(),
		"version 1":      kernel(t, "cpu/cpu.shares"), // a group made here has no files
		"version 2":      kernel(t, "cgroup.subtree_control"),
		"not even there": filepath.Join(t.TempDir(), "none"),
	} {
		if _, err := newShare(root, 0.5); !errors.Is(err, ErrNoShares) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(root, "*", "paragon-profile-*")); len(left) > 0 {
			t.Errorf("%s: left %v behind", name, left)
		}
	}
}

func TestAShareTakesProcessesIn(t *testing.T) {
	dir := filepath.Dir(filepath.Join(kernel(t, "group/cgroup.procs"), "group/x"))
	s := &Share{dir: dir}
	if err := s.Add(4711); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err != nil || string(got) != "4711" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAChildMeasuresWhenAsked(t *testing.T) {
	var out bytes.Buffer
	p := Plan{Samples: 200, Budget: time.Hour, Now: Wall}
	if err := RunOnSignal(t.Context(), subject(t), p, strings.NewReader("\n"), &out); err != nil || !strings.Contains(out.String(), `"p99"`) {
		t.Errorf("%s, %v", out.String(), err)
	}
	if err := RunOnSignal(t.Context(), subject(t), p, strings.NewReader(""), &out); err == nil {
		t.Error("it measured without a share")
	}
}

func TestAChildInAShareIsRead(t *testing.T) {
	dir := filepath.Join(kernel(t, "group/cgroup.procs"), "group")
	child := exec.CommandContext(t.Context(), "sh", "-c", `read line; echo '{"ms":{"p50":1,"p95":2,"p99":3}}'`)
	l, err := inShare(&Share{dir: dir}, child)
	if err != nil || l.MS != (profile.Percentiles{P50: 1, P95: 2, P99: 3}) {
		t.Errorf("%+v, %v", l, err)
	}
}
