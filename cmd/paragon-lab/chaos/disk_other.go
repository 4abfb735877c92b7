//go:build !linux

package chaos

import "errors"

func mount(string, int) error {
	return errors.New("a file system that can be filled is made on Linux alone")
}

func unmount(string) error { return nil }
