package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// maxSocketPath is the longest path of a socket, in bytes: what every system
// takes (macOS 103, Linux 107), and room.
const maxSocketPath = 99

// longestID is as long as any worker's id.
const longestID = "w-01234567890123456789012345"

// newSocketFolder makes the folder in which workers listen, for its owner alone:
// the process that can open a socket there can ask what this machine serves.
func newSocketFolder() (string, error) {
	var errs []error
	for _, parent := range []string{os.TempDir(), "/tmp"} { // the first may be too long
		dir, err := os.MkdirTemp(parent, "pg-") // its mode is 0700
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n := len(socketPath(dir, longestID))
		if n <= maxSocketPath {
			return dir, nil
		}
		_ = os.Remove(dir)
		errs = append(errs, fmt.Errorf("the path of a socket in %s has %d bytes, and the maximum is %d", parent, n, maxSocketPath))
	}
	return "", fmt.Errorf("create a folder for the workers' sockets: %w; set TMPDIR to a shorter path", errors.Join(errs...))
}

// socketPath is where a worker listens.
func socketPath(dir, id string) string { return filepath.Join(dir, id+".sock") }
