//go:build !linux

package chaos

import "errors"

func mount(string, int) error {
	return errors.New("the fault full disk needs Linux")
}

func unmount(string) error { return nil }
