//go:build !linux

package sqlite

import "os"

// notices are only kept on Linux.
type notices struct{}

func noticesOf(*os.File) *notices { return nil }

func (*notices) close() {}

func (*notices) take() (wrote, set bool) { return false, false }
