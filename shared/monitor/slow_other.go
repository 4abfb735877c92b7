//go:build !linux

package monitor

// Slow does nothing where the kernel has no timer slack for each thread.
func Slow() {}
