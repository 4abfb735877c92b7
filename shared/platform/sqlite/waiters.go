package sqlite

import (
	"sync"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// waiters are those who wait for the end of a query, by its id.
type waiters struct {
	mu  sync.Mutex
	all map[string]map[chan query.Record]bool
}

func (w *waiters) listen(id string) (end <-chan query.Record, leave func()) {
	c := make(chan query.Record, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string]map[chan query.Record]bool{}
	}
	if w.all[id] == nil {
		w.all[id] = map[chan query.Record]bool{}
	}
	w.all[id][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all[id], c)
		if len(w.all[id]) == 0 {
			delete(w.all, id)
		}
	}
}

func (w *waiters) notify(r query.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all[r.ID] {
		select {
		case c <- r:
		default: // it was notified before
		}
	}
}
