package measure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// ErrNoShares says that this system lets nobody hold a process to a share of
// a CPU: there are no control groups, or they may not be written.
var ErrNoShares = errors.New("control groups cannot be written here")

// periodUS is over how many microseconds a share holds. It is the kernel's
// default, and what a run below it sees is all or nothing: read the p95.
const periodUS = 100000

// groupRoot is where the kernel shows its control groups.
const groupRoot = "/sys/fs/cgroup"

// Share is a control group whose processes have a share of the CPUs together,
// as a function has by its memory.
type Share struct{ dir string }

// NewShare makes a group that may use the given number of vCPUs. ErrNoShares where that cannot be.
func NewShare(vcpus float64) (*Share, error) { return newShare(groupRoot, vcpus) }

func newShare(root string, vcpus float64) (*Share, error) {
	quota := strconv.Itoa(max(1000, int(vcpus*periodUS)))
	version1 := filepath.Join(root, "cpu")
	if _, err := os.Stat(version1); err == nil {
		return makeGroup(version1, map[string]string{"cpu.cfs_period_us": strconv.Itoa(periodUS), "cpu.cfs_quota_us": quota})
	}
	// Children of the root have cpu.max once the root hands the controller on.
	if err := write(filepath.Join(root, "cgroup.subtree_control"), "+cpu"); err != nil {
		return nil, errors.Join(ErrNoShares, err)
	}
	return makeGroup(root, map[string]string{"cpu.max": quota + " " + strconv.Itoa(periodUS)})
}

func makeGroup(parent string, limits map[string]string) (*Share, error) {
	dir, err := os.MkdirTemp(parent, "paragon-profile-")
	if err != nil {
		return nil, errors.Join(ErrNoShares, err)
	}
	s := &Share{dir: dir}
	for file, value := range limits {
		if err := write(filepath.Join(dir, file), value); err != nil {
			return nil, errors.Join(ErrNoShares, err, s.Close())
		}
	}
	return s, nil
}

// Add puts a process, and what it starts from now on, into the group.
func (s *Share) Add(pid int) error {
	if err := write(filepath.Join(s.dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("limit the CPU share of process %d: %w", pid, err)
	}
	return nil
}

// Close removes the group, whose processes must have ended.
func (s *Share) Close() error {
	if err := os.Remove(s.dir); err != nil {
		return fmt.Errorf("remove the control group: %w", err)
	}
	return nil
}

// write writes to a file of the kernel's, which is there already.
func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
