package measure

import "time"

var began = time.Now()

// Wall is the time that passes for everyone.
func Wall() time.Duration { return time.Since(began) }
