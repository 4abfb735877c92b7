//go:build !linux

package priority

// LowerThread does nothing where a priority is a whole process's.
func LowerThread() {}

// Yield does nothing where no such priority is known.
func Yield() {}

// IdleProcess does nothing where no such priority is known.
func IdleProcess(int) {}
