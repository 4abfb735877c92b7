package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// directory is a Place on this machine. One process writes it.
type directory struct{ dir string }

func (f *directory) file(name string) string { return filepath.Join(f.dir, name) }

// stamp is the version of a catalogue in a folder: the file that was read.
type stamp struct{ fs.FileInfo }

// String is when the file was written, and its size: what the fleet view holds.
func (s stamp) String() string {
	return fmt.Sprintf("%s, %d bytes", s.ModTime().UTC().Format(time.RFC3339Nano), s.Size())
}

// Read implements Place.
func (f *directory) Read(last any) (raw []byte, version any, err error) {
	info, err := os.Stat(f.file(CatalogueFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if was, ok := last.(stamp); ok && os.SameFile(was.FileInfo, info) && was.ModTime().Equal(info.ModTime()) && was.Size() == info.Size() {
		return nil, last, nil
	}
	raw, err = readAll(f.file(CatalogueFile), MaxCatalogueBytes)
	return raw, stamp{info}, err
}

// Write implements Place.
func (f *directory) Write(raw []byte, _ any) error { return f.Put(CatalogueFile, raw) }

// Drafts implements Place: on the same disk, so that a draft is kept by its name.
func (f *directory) Drafts() (string, error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of models: %w", err)
	}
	return f.dir, nil
}

// Keep implements Place.
func (f *directory) Keep(d Draft, name string) error {
	if err := os.Rename(d.Path, f.file(name)); err != nil {
		return fmt.Errorf("store the model's file: %w", err)
	}
	return nil
}

// Network implements Place.
func (f *directory) Network(m *profile.Model) ([]byte, error) {
	raw, err := readAll(f.file(m.File), MaxONNXBytes)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("%s has SHA-256 %x, not the catalogue's %s", m.File, sum, m.SHA256)
	}
	return raw, nil
}

// Delete implements Place.
func (f *directory) Delete(name string) error { return Draft{Path: f.file(name)}.Discard() }

// Put implements Place: a file is written whole or not at all.
func (f *directory) Put(name string, content []byte) error {
	path := f.file(name)
	next, err := os.CreateTemp(f.dir, draftName)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = next.Write(content)
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(next.Name()))
	}
	return nil
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
