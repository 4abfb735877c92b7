package peers

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of those below it whose own parent
// ends, so that servers that start in the background are measured and ended too.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt the servers' processes: %w", err)
	}
	return nil
}
