package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// secretsEvery is how often the files of secrets are compared with what is in use.
const secretsEvery = time.Second

// secrets are what this process uses of the secrets in its data folder, by the name of the
// file. The next start, or a command, reads the file: one that is gone, or holds something
// else, is written again.
type secrets map[string][]byte

// openSecret reads a secret of the data folder, which is made the first time, and has its
// file kept.
func (m *Machine) openSecret(name string, create func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(m.cfg.DataDir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = create(); err == nil {
			err = operator.WriteFile(path, text)
		}
	}
	if err != nil {
		return nil, err
	}
	m.secrets[name] = text
	return text, nil
}

// restore writes the files again that are missing or changed, and returns their names.
func (s secrets) restore(dataDir string) (written []string, err error) {
	var errs []error
	for name, text := range s {
		path := filepath.Join(dataDir, name)
		have, err := os.ReadFile(path)
		if err == nil && bytes.Equal(have, text) {
			continue
		}
		if err = operator.WriteFile(path, text); err != nil {
			errs = append(errs, fmt.Errorf("write %s again: %w", name, err))
			continue
		}
		written = append(written, name)
	}
	return written, errors.Join(errs...)
}

// keepSecrets restores the files of secrets until run ends.
func (m *Machine) keepSecrets(run context.Context, owner *sqlite.Backend) {
	tick := time.NewTicker(secretsEvery)
	defer tick.Stop()
	for {
		select {
		case <-run.Done():
			return
		case <-tick.C:
			m.restoreSecrets(owner)
		}
	}
}

// restoreSecrets restores the files of secrets. A data folder that is not the one that was
// opened any more, or cannot be written, is left alone.
func (m *Machine) restoreSecrets(owner *sqlite.Backend) {
	if owner.WriteFault() != nil {
		return
	}
	written, err := m.secrets.restore(m.cfg.DataDir)
	if err != nil {
		m.log.Error("could not restore a secret of the data folder", "error", err)
	}
	for _, name := range written {
		m.log.Warn("a secret of the data folder was deleted or changed while in use, and is written again", "file", name)
	}
}
