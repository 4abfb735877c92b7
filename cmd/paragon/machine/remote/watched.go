package remote

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// pollEvery is how often files are checked: a token that was taken out is worth
// nothing a second later.
const pollEvery = time.Second

// watched is what files say, read again when they changed. What cannot be read
// leaves what was read last.
type watched[T any] struct {
	now   func() time.Time
	read  func() (T, error)
	files []string
	log   *slog.Logger

	mu     sync.Mutex
	polled time.Time
	stamps string
	value  T
	there  bool
	fault  error // of the newest reading; the value is an earlier one's then
}

func watch[T any](now func() time.Time, log *slog.Logger, read func() (T, error), files ...string) *watched[T] {
	return &watched[T]{now: now, log: log, read: read, files: files}
}

// get returns the newest value that could be read; the error is that of the first
// reading, without a value.
func (w *watched[T]) get() (T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); !w.there || now.Sub(w.polled) >= pollEvery {
		w.polled = now
		before := w.fault
		w.fault = w.refresh()
		if w.there && w.fault != nil && (before == nil || before.Error() != w.fault.Error()) {
			w.log.Error("a changed file cannot be used; its previous content stays in force", "file", w.files[0], "error", w.fault)
		}
	}
	if !w.there {
		return w.value, w.fault
	}
	return w.value, nil
}

// refresh reads when a file changed since it was last read.
func (w *watched[T]) refresh() error {
	var stamps []string
	for _, path := range w.files {
		s, err := stamp(path)
		if err != nil {
			return err
		}
		stamps = append(stamps, s)
	}
	all := strings.Join(stamps, " ")
	if w.there && all == w.stamps {
		return w.fault
	}
	w.stamps = all
	value, err := w.read()
	if err == nil {
		w.value, w.there = value, true
	}
	return err
}
