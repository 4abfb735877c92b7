package sqlite

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// inputFolder holds the inputs of messages, a file each, next to the data file.
// SQLite would copy each three times, through its cache, log and file, and what it
// deletes stays in its log until that is written over: of an input nothing may be
// left once its query is answered.
const inputFolder = "inputs"

// errInputLost says that an input is not there as it was written: after a power
// cut, as nothing waits for the disk, or by another's hand.
var errInputLost = errors.New("the stored input is missing or differs from what was written")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// input says where a message's data lies. The zero value is a message without a
// file.
type input struct {
	file  string // in the folder
	bytes int
	sum   uint32 // CRC-32C of the data: a power cut may leave a file half written
}

// inputs is the folder of the messages' inputs. A file is written before the row
// that names it and removed after that row is gone, so that a crash leaves at
// most a file without a row, which the next start sweeps. Each row has a file of
// its own.
type inputs struct {
	dir    string
	sync   bool // wait for the disk
	health *health
}

// path is where a file lies. Names are made here and never a caller's text.
func (s inputs) path(name string) string { return filepath.Join(s.dir, name) }

func newInputName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// write stores data that nobody else can read.
func (s inputs) write(data []byte) (input, error) {
	in := input{file: newInputName(), bytes: len(data), sum: crc32.Checksum(data, castagnoli)}
	f, err := makeIn(s.dir, func() (*os.File, error) {
		return os.OpenFile(s.path(in.file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	})
	if err != nil {
		return input{}, fmt.Errorf("store an input: %w", s.health.failed(err))
	}
	_, err = f.Write(data)
	if err == nil && s.sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && s.sync {
		err = syncFolder(s.dir)
	}
	if err != nil {
		s.remove(in.file)
		return input{}, fmt.Errorf("store an input: %w", s.health.failed(err))
	}
	return in, nil
}

// syncFolder waits until the names in a folder are on the disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// read returns what was written; errInputLost when it is not there.
func (s inputs) read(in input) ([]byte, error) {
	f, err := os.Open(s.path(in.file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errInputLost
	}
	if err != nil {
		return nil, fmt.Errorf("read an input: %w", err)
	}
	defer f.Close()
	data := make([]byte, in.bytes)
	_, err = io.ReadFull(f, data)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, errInputLost
	case err != nil:
		return nil, fmt.Errorf("read an input: %w", err)
	case crc32.Checksum(data, castagnoli) != in.sum:
		return nil, errInputLost
	}
	return data, nil
}

// link gives another row the same data, under a name of its own.
func (s inputs) link(in input) (input, error) {
	if in.file == "" {
		return in, nil
	}
	from := in.file
	in.file = newInputName()
	if err := os.Link(s.path(from), s.path(in.file)); err != nil {
		return input{}, fmt.Errorf("store an input again: %w", s.health.failed(err))
	}
	return in, nil
}

// remove removes files that no row names any more. What cannot be removed is
// swept at the next start.
func (s inputs) remove(names ...string) {
	for _, name := range names {
		if name != "" {
			_ = os.Remove(s.path(name))
		}
	}
}

// sweep removes the files of which no row is known.
func (s inputs) sweep(known map[string]bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list the inputs: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !known[e.Name()] {
			errs = append(errs, os.Remove(s.path(e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweepInputs removes what a crash left between a file and its row.
func (h *Backend) sweepInputs() error {
	known := map[string]bool{}
	err := h.writes.stmts.each(scanNames(func(name string) { known[name] = true }), `SELECT input FROM messages WHERE input <> ''`)
	if err != nil {
		return fmt.Errorf("list the messages' inputs: %w", err)
	}
	return h.inputs.sweep(known)
}

// lost is an input that names an upload which is not there: its consumer ends
// the query as one whose input is gone.
func lost(in query.Input) query.Input {
	return query.Input{ContentType: in.ContentType, URI: blobScheme + "lost"}
}
