package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// overwritten is the reason where another program wrote to a file that is in use.
func overwritten(path string) string {
	return filepath.Base(path) + " was overwritten by another program while in use: nothing is stored until a backup is restored and Paragon is restarted"
}

// logHead is how many bytes the head of SQLite's log has: it changes only when the log
// begins again (https://www.sqlite.org/fileformat2.html, section 4.1).
const logHead = 32

// The first bytes of a data file, and of a log without those that say its byte order.
var (
	dataMagic = []byte("SQLite format 3\x00")
	logMagic  = []byte{0x37, 0x7f, 0x06}
)

// content follows whether the data file and its log hold what this process wrote last.
// SQLite itself does not notice when another program writes over either: it goes on in its
// cache, and confirms what no other process could read.
type content struct {
	// The files stay open until SQLite has closed them: closing a file ends every lock that
	// the process has on it.
	data, log *os.File
	dataSize  int64
	dataAt    time.Time // when the data file was last written
	notices   *notices  // of the data file; nil where there are none
	written   bool      // another wrote to the data file, as they say
	logSize   int64
	logHead   []byte
}

func (c *content) open(data, log string) (err error) {
	if c.data, err = os.Open(data); err != nil {
		return fmt.Errorf("watch the data file: %w", err)
	}
	if c.log, err = os.OpenFile(log, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("watch the log of the data file: %w", err)
	}
	c.notices = noticesOf(c.data)
	if bad, err := c.wrote(); err != nil || bad != "" {
		return errors.Join(err, fmt.Errorf("watch the data file: %s is not a file of SQLite", bad))
	}
	return nil
}

func (c *content) close() error {
	c.notices.close()
	var errs []error
	for _, f := range []*os.File{c.data, c.log} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// head reads the first bytes of a file: fewer where it has no more.
func head(f *os.File, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:got], err
}

// dataChanged reports whether another wrote to the data file: this process does so in
// commits alone. Where only its times were set, it has its content still.
func (c *content) dataChanged() bool {
	info, err := c.data.Stat()
	if err != nil {
		return false
	}
	wrote, set := c.notices.take()
	c.written = c.written || wrote
	if set && !c.written {
		// Read again, as the times may have been set after they were read. What is set or
		// written from here on is noted, and seen the next time.
		if info, err = c.data.Stat(); err != nil {
			return false
		}
		c.dataAt = info.ModTime()
	}
	return c.written || info.Size() != c.dataSize || !info.ModTime().Equal(c.dataAt)
}

// logChanged reports whether another cut the log off or began it again.
func (c *content) logChanged() bool {
	info, err := c.log.Stat()
	if err != nil {
		return false
	}
	first, err := head(c.log, logHead)
	return err == nil && (info.Size() < c.logSize || !bytes.Equal(first, c.logHead))
}

// changed is the path of a file to which another wrote; empty where none did. It is not
// for the midst of a commit.
func (c *content) changed() string {
	switch {
	case c.dataChanged():
		return c.data.Name()
	case c.logChanged():
		return c.log.Name()
	}
	return ""
}

// wrote notes what the files hold after a commit. It returns the path of one that another
// wrote over meanwhile, so that what was committed cannot be read from it; empty where none
// is.
func (c *content) wrote() (bad string, err error) {
	data, err := c.data.Stat()
	if err != nil {
		return "", err
	}
	log, err := c.log.Stat()
	if err != nil {
		return "", err
	}
	if data.Size() != c.dataSize || !data.ModTime().Equal(c.dataAt) { // the log was written back
		first, err := head(c.data, len(dataMagic))
		if err != nil {
			return "", err
		}
		if data.Size() < c.dataSize || !bytes.Equal(first, dataMagic) {
			return c.data.Name(), nil
		}
	}
	first, err := head(c.log, logHead)
	if err != nil {
		return "", err
	}
	if log.Size() < c.logSize || log.Size() > 0 && !bytes.HasPrefix(first, logMagic) {
		return c.log.Name(), nil
	}
	c.notices.take() // this process's own
	c.dataSize, c.dataAt, c.logSize, c.logHead = data.Size(), data.ModTime(), log.Size(), first
	return "", nil
}
