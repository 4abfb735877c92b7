// Package modelstore is the folder of models that a stage on one machine was given
// beside the catalogue that it came with: catalogue.json, each model's ONNX file
// under its digest, and what was measured of it. One process writes it; all others
// read it anew when it has changed, without a restart.
package modelstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Env names the folder to the processes of a stage.
const Env = "PARAGON_MODELS"

// catalogueFile is what a folder says that it holds.
const catalogueFile = "catalogue.json"

// What is read of a file.
const (
	maxCatalogueBytes = 64 << 20
	// MaxONNXBytes bounds a model's file: protobuf, which ONNX is written in, ends at
	// 2 GB, and a function's memory well before.
	MaxONNXBytes = 1 << 30
)

// Store is a catalogue with the models of a folder. It is a profile.CatalogueSource,
// and safe for concurrent use.
type Store struct {
	dir  string
	base *profile.Catalogue

	current atomic.Pointer[profile.Catalogue]

	mu         sync.Mutex // guards what follows, and changes of the folder
	loadedFrom fs.FileInfo
	added      profile.Added
}

// Open reads a folder over a base catalogue. One that does not exist holds
// nothing yet; with an empty name it never will.
func Open(dir string, base *profile.Catalogue) (*Store, error) {
	s := &Store{dir: dir, base: base}
	s.current.Store(base)
	return s, s.Refresh()
}

// Current implements profile.CatalogueSource.
func (s *Store) Current() *profile.Catalogue { return s.current.Load() }

// Refresh reads the folder anew if its catalogue is another file than was read
// last. An error leaves the catalogue in force as it was.
func (s *Store) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh()
}

// refresh is Refresh for who holds the lock.
func (s *Store) refresh() error {
	if s.dir == "" {
		return nil
	}
	file := filepath.Join(s.dir, catalogueFile)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the added models: %w", err)
	}
	if s.loadedFrom != nil && os.SameFile(s.loadedFrom, info) && s.loadedFrom.ModTime().Equal(info.ModTime()) && s.loadedFrom.Size() == info.Size() {
		return nil
	}
	added, err := readAdded(file)
	if err != nil {
		return err
	}
	c, err := s.base.With(added)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	s.loadedFrom, s.added = info, added
	s.current.Store(c)
	return nil
}

func readAdded(file string) (a profile.Added, err error) {
	raw, err := readAll(file, maxCatalogueBytes)
	if err != nil {
		return a, fmt.Errorf("read the added models: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf("%s: %w", file, err)
	}
	return a, nil
}

// readAll reads a file of at most limit bytes.
func readAll(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", file, limit)
	}
	return raw, err
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

// ONNX returns the file of a model of the folder, checked against the catalogue's
// SHA-256.
func (s *Store) ONNX(m *profile.Model) ([]byte, error) {
	raw, err := readAll(filepath.Join(s.dir, m.File), MaxONNXBytes)
	if err != nil {
		return nil, fmt.Errorf("network of model %q: %w", m.Name, err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("network of model %q: %s has SHA-256 %x, not the catalogue's %s", m.Name, m.File, sum, m.SHA256)
	}
	return raw, nil
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
