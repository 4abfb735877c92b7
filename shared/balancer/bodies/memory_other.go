//go:build !linux

package bodies

import (
	"errors"
	"os"
)

func anonymousFile(int) (*os.File, error)         { return nil, errors.ErrUnsupported }
func mapFile(*os.File, int, bool) ([]byte, error) { return nil, errors.ErrUnsupported }
func unmap([]byte) error                          { return nil }
func discard([]byte)                              {}
