package machine

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// logBytes is the size at which the log becomes the earlier one, in whose place a
// new one begins: both take twice as much at most.
const logBytes = 16 << 20

// LogFiles are the log of a data folder and the earlier one, which may be missing,
// the oldest first. A line is a record as JSON, with the process that wrote it
// unless that was the server itself.
func LogFiles(dataDir string) [2]string {
	path := filepath.Join(dataDir, "paragon.log")
	return [2]string{path + ".1", path}
}

// openLog has all that is logged from now on, by this process and its children,
// stored in the data folder too.
func (m *Machine) openLog() error {
	if err := os.MkdirAll(m.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w; choose another folder with --data", err)
	}
	files := LogFiles(m.cfg.DataDir)
	file, err := openLogFile(files[1], files[0], logBytes)
	if err != nil {
		return fmt.Errorf("open the log in the data folder: %w; choose another folder with --data", err)
	}
	m.onClose(func() { _ = file.Close() }) // each line was written when it was logged
	m.log = slog.New(slog.NewMultiHandler(m.cfg.Log.Handler(), slog.NewJSONHandler(file, &slog.HandlerOptions{ReplaceAttr: readable})))
	m.cfg.Log = m.log
	return nil
}

// readable writes lengths of time as people read them, and not in nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// logFile appends lines to a file, and begins a new one when it is full. It is safe
// for concurrent use.
type logFile struct {
	path, earlier string
	most          int64 // bytes

	mu   sync.Mutex // guards what follows
	file *os.File
	size int64
}

func openLogFile(path, earlier string, most int64) (*logFile, error) {
	l := &logFile{path: path, earlier: earlier, most: most}
	return l, l.open()
}

// open opens the file at its end.
func (l *logFile) open() (err error) {
	if l.file, err = os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	l.size, err = l.file.Seek(0, io.SeekEnd)
	return err
}

// Write appends one line. After a full file cannot be put aside, it goes on growing.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(line)) > l.most && l.size > 0 {
		if err := os.Rename(l.path, l.earlier); err == nil {
			_ = l.file.Close() // what was written stays
			if err := l.open(); err != nil {
				return 0, err
			}
		}
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return n, err
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
