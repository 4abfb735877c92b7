//go:build !linux

package measure

import "time"

// ThreadCPU is the wall clock where the system has no clock of a thread.
func ThreadCPU() time.Duration { return Wall() }
