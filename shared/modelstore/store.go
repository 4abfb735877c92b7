// Package modelstore is the models that a stage was given in addition to the catalogue that it
// came with: catalogue.json, each model's ONNX file under its digest, and what was
// measured of it, in a folder of one machine or in a stage's bucket. A process that changes
// them replaces the catalogue that was read and no other; all others read it anew
// when it has changed, without a restart.
package modelstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// CatalogueFile is what a place says that it holds.
const CatalogueFile = "catalogue.json"

// What is read of a file.
const (
	MaxCatalogueBytes = 64 << 20
	// MaxONNXBytes bounds a model's file: protobuf, which ONNX is written in, ends at
	// 2 GB, and a function's memory well before.
	MaxONNXBytes = 1 << 30
)

// Place is where a stage's own models are kept.
type Place interface {
	// Read returns the catalogue and its version; nil text when that is the version
	// which was read last, or when there is none yet.
	Read(last any) (raw []byte, version any, err error)
	// Write puts a catalogue over a version. ErrConflict when another is there.
	Write(raw []byte, over any) error
	// Drafts is a folder for files on their way, which holds no drafts of others.
	Drafts() (string, error)
	// Keep has a draft be there under a name, and Put a small file.
	Keep(d Draft, name string) error
	Put(name string, content []byte) error
	// Network returns a model's file, checked against its digest.
	Network(m *profile.Model) ([]byte, error)
	// Delete removes a file, which may be gone.
	Delete(name string) error
}

// ErrConflict says that somebody else has changed the catalogue since it was read.
var ErrConflict = errors.New("another process changed the catalogue at the same time")

// Store is a catalogue with the models of a place. It is a profile.CatalogueSource,
// and safe for concurrent use.
type Store struct {
	place Place // nil holds nothing
	base  *profile.Catalogue
	// behind reads the place anew from time to time; nil where the caller does.
	behind *cache.Cache[*profile.Catalogue]

	current atomic.Pointer[profile.Catalogue]
	// announced is whether others say when the catalogue has changed, readAt when it was
	// last read, in seconds.
	announced atomic.Bool
	readAt    atomic.Int64
	now       func() time.Time

	mu      sync.Mutex // guards what follows, and changes of the place
	version any        // that was read last
	added   profile.Added
}

// Open reads a folder over a base catalogue. One that does not exist holds
// nothing yet; with an empty name it never will.
func Open(dir string, base *profile.Catalogue) (*Store, error) {
	if dir == "" {
		return OpenPlace(nil, base)
	}
	return OpenPlace(&directory{dir}, base)
}

// OpenPlace reads a place over a base catalogue.
func OpenPlace(p Place, base *profile.Catalogue) (*Store, error) {
	s := &Store{place: p, base: base}
	s.current.Store(base)
	return s, s.Refresh()
}

const (
	// RefreshEvery is for how long what was read of a place over the network is fresh,
	// refreshAge after how long callers wait for the next reading, and refreshTime
	// bounds one.
	RefreshEvery = pricing.CatalogueSeconds * time.Second
	refreshAge   = time.Minute
	refreshTime  = 3 * time.Second
	// announcedEvery is how long it is fresh where others say when it has changed, should
	// they no longer.
	announcedEvery = 5 * time.Minute
)

// OpenRefreshed reads a place over a base catalogue, and anew while it is asked for the
// catalogue. What cannot be read, or does not fit the base, leaves the last catalogue in
// force, at first the base: what was added keeps nobody from serving the rest.
func OpenRefreshed(p Place, base *profile.Catalogue, now func() time.Time) *Store {
	s := &Store{place: p, base: base, now: now}
	s.current.Store(base)
	s.behind = cache.New(cache.Options[*profile.Catalogue]{
		TTL: func(*profile.Catalogue) time.Duration { return s.orAnnounced(RefreshEvery) }, Timeout: refreshTime, Now: now,
		MaxAge: func() time.Duration { return s.orAnnounced(refreshAge) },
		Fetch: func(context.Context) (*profile.Catalogue, error) {
			err := s.read()
			if err != nil {
				slog.Warn("could not read the added models; the catalogue stays unchanged", "error", err)
			}
			return s.current.Load(), err
		},
	})
	return s
}

// Current implements profile.CatalogueSource.
func (s *Store) Current() *profile.Catalogue {
	if s.behind != nil {
		_, _ = s.behind.Get(context.Background()) // bounded, and logged where it is read
	}
	return s.current.Load()
}

// Refresh reads the place anew if its catalogue is another than was read last; one that
// is read behind its callers, no more often than each RefreshEvery. An error leaves the
// catalogue in force as it was.
func (s *Store) Refresh() error {
	if s.behind != nil {
		now, last := s.now().Unix(), s.readAt.Load()
		if now-last < pricing.CatalogueSeconds || !s.readAt.CompareAndSwap(last, now) { // another reads it
			return nil
		}
	}
	return s.read()
}

// Version implements profile.Version.
func (s *Store) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == nil {
		return ""
	}
	return fmt.Sprint(s.version)
}

// RefreshTo implements profile.RefreshTo.
func (s *Store) RefreshTo(version string) error {
	if s.behind == nil {
		return nil
	}
	s.announced.Store(true)
	if version == s.Version() {
		return nil
	}
	return s.read()
}

// orAnnounced is how long what was read is fresh, or longer where others say when it has
// changed.
func (s *Store) orAnnounced(fresh time.Duration) time.Duration {
	if s.announced.Load() {
		return announcedEvery
	}
	return fresh
}

// Settle waits for the reading that goes on, if one does.
func (s *Store) Settle() {
	if s.behind != nil {
		s.behind.Settle()
	}
}

// Reread is Refresh at once, however fresh what was read is.
func (s *Store) Reread() error { return s.read() }

// read is Reread, and notes when that was.
func (s *Store) read() error {
	if s.behind != nil {
		s.readAt.Store(s.now().Unix())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh()
}

// refresh is read for who holds the lock.
func (s *Store) refresh() error {
	if s.place == nil {
		return nil
	}
	raw, version, err := s.place.Read(s.version)
	if err != nil {
		return fmt.Errorf("read the added models: %w", err)
	}
	if raw == nil {
		return nil
	}
	added, err := parse(raw)
	if err != nil {
		return fmt.Errorf("the added models: %s: %w", CatalogueFile, err)
	}
	c, err := s.base.With(added)
	if err != nil {
		return fmt.Errorf("the added models: %s: %w", CatalogueFile, err)
	}
	s.version, s.added = version, added
	s.current.Store(c)
	return nil
}

func parse(raw []byte) (a profile.Added, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(&a)
	return a, err
}

// Has says whether a model came with the folder, and not with the base.
func (s *Store) Has(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.added.Models {
		if m.Name == model {
			return true
		}
	}
	return false
}

// ONNX returns the file of a model of the place, checked against the catalogue's
// SHA-256.
func (s *Store) ONNX(m *profile.Model) ([]byte, error) {
	raw, err := s.place.Network(m)
	if err != nil {
		return nil, fmt.Errorf("network of model %q: %w", m.Name, err)
	}
	return raw, nil
}

// Added are the models of the place, removed ones included until they are forgotten.
func (s *Store) Added() []profile.Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]profile.Model{}, s.added.Models...)
}

// Watch refreshes every so often until ctx ends. changed is called after each
// change, with the catalogue that is in force then; failed with what went wrong.
func (s *Store) Watch(ctx context.Context, every time.Duration, changed func(*profile.Catalogue), failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := s.Current()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Refresh(); err != nil {
			failed(err)
		}
		if now := s.Current(); now != last {
			last = now
			changed(now)
		}
	}
}
