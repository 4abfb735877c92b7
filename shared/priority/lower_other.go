//go:build !linux

package priority

// LowerThread does nothing where a priority is a whole process's.
func LowerThread() {}

// IdleProcess does nothing where no such priority is known.
func IdleProcess(int) {}
