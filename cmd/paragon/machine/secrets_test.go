package machine

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// Secrets whose files are deleted, cut off or replaced while in use are written again, for
// their user alone. In a data folder that is not the one that was opened any more, nothing
// is written.
func TestSecretsAreWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	owner, err := sqlite.Open(t.Context(), filepath.Join(dir, "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	m := &Machine{cfg: Config{DataDir: dir}, log: slog.New(slog.DiscardHandler), secrets: secrets{}}
	if err := m.openKeys(); err != nil {
		t.Fatal(err)
	}
	if err := m.openCallbackKey(); err != nil {
		t.Fatal(err)
	}
	lose := map[string]func(path string) error{
		"deleted": os.Remove,
		"cut off": func(path string) error { return os.Truncate(path, 0) },
		"changed": func(path string) error { return os.WriteFile(path, []byte("another"), 0o644) },
	}
	for name, want := range m.secrets {
		path := filepath.Join(dir, name)
		for how, lose := range lose {
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			m.restoreSecrets(owner)
			have, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(have, want) {
				t.Errorf("%s, %s, holds %q, error %v", name, how, have, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s, %s, has mode %v, error %v", name, how, info.Mode(), err)
			}
		}
	}
	again := &Machine{cfg: m.cfg, secrets: secrets{}}
	if err := again.openKeys(); err != nil || again.keySet != m.keySet {
		t.Errorf("the next start has other keys, error %v", err)
	}

	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m.restoreSecrets(owner)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("another folder got %v, error %v", left, err)
	}
}
