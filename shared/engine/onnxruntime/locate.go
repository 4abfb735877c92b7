package onnxruntime

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Locate returns the path of the library. If PARAGON_ORT_LIB is set it is
// that file or an error; otherwise the first that exists of: next to the
// executable, in lib next to it, /var/task/lib and /opt/lib (a function's package and its
// layers), paragon/ in the user's cache, and node_modules of the working
// folder and of each of its parents, then of the executable's folder and of
// each of its parents, so that a command works from any folder. The error lists
// where it looked and says what to do. The file's content is checked by Open,
// not here.
func Locate() (string, error) {
	if path := os.Getenv(EnvLibrary); path != "" {
		if err := regularFile(path); err != nil {
			return "", fmt.Errorf("%s: %w", EnvLibrary, err)
		}
		return path, nil
	}
	b, err := thisBuild()
	if err != nil {
		return "", err
	}
	candidates := b.candidates()
	for _, path := range candidates {
		if regularFile(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no ONNX Runtime library: run `make deps`, or set %s to its path; looked for\n\t%s",
		EnvLibrary, strings.Join(candidates, "\n\t"))
}

// candidates are the paths that Locate tries, in order. A folder that the
// system cannot name is left out.
func (b build) candidates() []string {
	var paths []string
	if executable, err := os.Executable(); err == nil {
		folder := filepath.Dir(executable)
		paths = append(paths, filepath.Join(folder, b.fileName), filepath.Join(folder, "lib", b.fileName))
	}
	paths = append(paths, filepath.Join("/var/task/lib", b.fileName), filepath.Join("/opt/lib", b.fileName))
	if cache, err := os.UserCacheDir(); err == nil {
		paths = append(paths, filepath.Join(cache, "paragon", b.fileName))
	}
	if folder, err := os.Getwd(); err == nil {
		paths = append(paths, b.modulesAbove(folder)...)
	}
	if executable, err := os.Executable(); err == nil {
		for _, path := range b.modulesAbove(filepath.Dir(executable)) {
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// modulesAbove are the paths in node_modules of a folder and of each of its parents.
func (b build) modulesAbove(folder string) (paths []string) {
	for {
		paths = append(paths, filepath.Join(folder, "node_modules", "onnxruntime-node", "bin", "napi-v6", b.npmDir, b.fileName))
		parent := filepath.Dir(folder)
		if parent == folder {
			return paths
		}
		folder = parent
	}
}

// regularFile reports whether path leads to a file, through links if need be.
func regularFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return nil
}
