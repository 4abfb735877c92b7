package serving

import (
	"sync/atomic"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// longest keeps the longest median service time of any model, for as long as the
// catalogue stays the same.
type longest struct {
	known atomic.Pointer[longestOf]
}

type longestOf struct {
	catalogue *profile.Catalogue
	ms        float64
}

// medianMS is the longest median service time on an instance type.
func (l *longest) medianMS(c *profile.Catalogue, instanceType string) float64 {
	if k := l.known.Load(); k != nil && k.catalogue == c {
		return k.ms
	}
	out := &longestOf{catalogue: c}
	for i := range c.Models {
		if m := &c.Models[i]; m.File != "" {
			st, _ := c.OnVM(m, instanceType)
			out.ms = max(out.ms, st.MS.P50)
		}
	}
	l.known.Store(out)
	return out.ms
}
