package intake

import (
	"context"
	"sync"
	"time"
)

// refreshTime bounds one read of a cached value.
const refreshTime = 5 * time.Second

// refresh reads a cached value anew, one read at a time. Inline, the callers
// wait for that read, as there is nothing that they could go on with; otherwise
// it happens in the background, and they go on with what is cached. due is asked
// again once it is this call's turn.
func (s *Service) refresh(ctx context.Context, reading *sync.Mutex, inline bool, due func() bool, read func(context.Context)) {
	ctx = context.WithoutCancel(ctx) // the read is for all callers: one that leaves does not end it
	once := func() {
		defer reading.Unlock()
		if !due() {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, refreshTime)
		defer cancel()
		read(ctx)
	}
	switch {
	case inline:
		reading.Lock()
		once()
	case reading.TryLock():
		s.background.Go(once)
	}
}
