package chaos

import (
	"fmt"
	"syscall"
)

// mount gives a folder a file system of its own of some megabytes, in memory. It
// needs root.
func mount(dir string, mb int) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mb)); err != nil {
		return fmt.Errorf("mount a small file system for the fault full disk, which needs root: %w", err)
	}
	return nil
}

func unmount(dir string) error {
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
