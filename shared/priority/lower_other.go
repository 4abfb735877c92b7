//go:build !linux

package priority

// LowerThread does nothing where a priority is a whole process's.
func LowerThread() {}

func idleThread() {}
