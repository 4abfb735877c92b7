// Package sqlite is the backend of a stage on one machine: queues, records, fleet,
// metrics, settings and blobs over one SQLite file, with uploads and the inputs
// of messages next to it.
//
// One process, the parent, owns the file: a lock keeps every other one out.
// Its children reach the backend over loopback HTTP (NewServer, and Dial of package rpc). Nothing
// polls: a send hands its message to a waiting receive within one transaction.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Durability says what a committed write survives.
type Durability string

// The two durabilities. Both keep the file consistent whatever happens.
const (
	// SurvivesKill keeps every acknowledged write when processes are killed;
	// a power cut or a crash of the kernel may lose the newest ones (SQLite's
	// synchronous NORMAL).
	SurvivesKill Durability = "NORMAL"
	// SurvivesPowerCut waits for the disk before a write is acknowledged
	// (SQLite's synchronous FULL).
	SurvivesPowerCut Durability = "FULL"
)

// Options of a backend. The zero value is what production uses.
type Options struct {
	// Now is the clock; nil means time.Now. Waiting is done with Go's timers.
	Now func() time.Time
	// Durability of acknowledged writes; empty means SurvivesKill.
	Durability Durability
	// Invoker runs the functions, also for children; nil means that there are
	// none: each call is ErrNotFound.
	Invoker platform.Invoker
	// Chaos makes the queues misbehave as far as their contract allows; nil means no chaos.
	Chaos *Chaos
}

// Backend is one machine's cloud. Its methods are for the process that owns it;
// what functions and workers need is behind Cloud and As.
type Backend struct {
	now       func() time.Time
	invoker   platform.Invoker
	dir       string // of the file, and of the blobs
	inputs    inputs
	health    *health
	lock      *runLock
	writes    *writer
	reads     *statements
	readDB    *sql.DB
	chaos     *dice
	waits     waiters
	turns     turns
	consumers consumers
	changed   broadcast
	called    broadcast // when a callback falls due
	tallies   tallies
	closing   sync.Once
}

// Open opens the backend in an SQLite file, which is made when it is not there,
// and takes what a former process left: its leases are released and its
// workers are gone. It fails when another process has the file open, or when a
// newer Paragon wrote it. ctx bounds the opening alone.
func Open(ctx context.Context, path string, o Options) (_ *Backend, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Durability == "" {
		o.Durability = SurvivesKill
	}
	if o.Invoker == nil {
		o.Invoker = noFunctions{}
	}
	h := &Backend{now: o.Now, turns: turns{}, invoker: o.Invoker, dir: filepath.Dir(path), chaos: newDice(o.Chaos), health: &health{path: path, now: o.Now}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	h.inputs = inputs{dir: filepath.Join(h.dir, inputFolder), sync: o.Durability == SurvivesPowerCut, health: h.health}
	h.health.folders = []string{filepath.Join(h.dir, blobFolder), h.inputs.dir}
	for _, dir := range h.health.folders {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	if h.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	if err := h.lock.checkLog(path); err != nil {
		return nil, err
	}
	if h.writes, err = openWriter(ctx, path, o, h.health, h.lock); err != nil {
		return nil, err
	}
	if h.readDB, err = openReaders(ctx, path); err != nil {
		return nil, err
	}
	h.reads = &statements{from: h.readDB, failed: h.health.unread}
	if err := errors.Join(h.takeOver(ctx), h.sweepInputs()); err != nil {
		return nil, fmt.Errorf("take over from the former run: %w", err)
	}
	return h, nil
}

// takeOver releases what processes of the former run held: they died with
// their parent.
func (h *Backend) takeOver(ctx context.Context) error {
	return h.write(ctx, func(t *tx) error {
		if _, err := t.exec(`UPDATE lease SET until = 0`); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE messages SET visible_at = sent_at, lease = 0, holder = '' WHERE lease <> 0`); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE workers SET state = ? WHERE state <> ?`, platform.Gone, platform.Gone)
		return err
	})
}

// Close ends every call under way with ErrUnavailable, closes the file and
// lets another process have it. Writes that were acknowledged are kept.
func (h *Backend) Close() (err error) {
	h.closing.Do(func() { err = h.close() })
	return err
}

func (h *Backend) close() error {
	var errs []error
	if h.reads != nil {
		errs = append(errs, h.reads.close())
	}
	if h.readDB != nil {
		errs = append(errs, h.readDB.Close())
	}
	if h.writes != nil { // the last: it may write the log back into the file
		errs = append(errs, h.writes.close())
	}
	errs = append(errs, h.health.content.close())
	if h.lock != nil {
		if h.writes != nil {
			errs = append(errs, h.lock.end(h.health.path))
		}
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

// noFunctions is the invoker of a backend without functions.
type noFunctions struct{}

func (noFunctions) Invoke(_ context.Context, function string, _ []byte) (platform.Invocation, error) {
	return platform.Invocation{}, fmt.Errorf("function %s: %w", function, platform.ErrNotFound)
}

// Platform returns the backend as the parent itself uses it.
func (h *Backend) Platform() platform.Backend { return h.As("parent") }

// As returns the backend as a consumer of that name uses it. The name is what
// MarkGone releases leases by: a worker's id.
func (h *Backend) As(name string) platform.Backend {
	c := &consumer{Backend: h, name: name}
	return platform.Backend{
		Queues: c, Fleet: c, Metrics: c, Settings: c, Blobs: c, Invoker: h.invoker, DecisionLog: c, Groups: c, History: c, Votes: c,
		Records: c, Attempts: c, Shared: c, Timeline: c,
	}
}

// consumer is the backend in the hands of one named consumer.
type consumer struct {
	*Backend
	name string
}

// broadcast notifies any number of listeners that something changed.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

// next returns a channel that is closed by the next notification.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
