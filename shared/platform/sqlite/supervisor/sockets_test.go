package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/environment"
)

// Each worker has a socket of its own, in a folder that nobody else can open
// and that is gone at the end.
func TestWorkersListenWhereOnlyTheirOwnerCan(t *testing.T) {
	for name, parent := range map[string]string{"short": "", "too long": filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))} {
		t.Run(name, func(t *testing.T) {
			if parent != "" {
				if err := os.Mkdir(parent, 0o700); err != nil {
					t.Fatal(err)
				}
				t.Setenv("TMPDIR", parent)
			}
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 2, Options{})
				synctest.Wait()
				for _, c := range f.running() {
					i := slices.IndexFunc(c.spec.Env, func(kv string) bool { return strings.HasPrefix(kv, environment.Listen+"=") })
					if i < 0 {
						t.Fatal("a worker is not told where to listen")
					}
					path, unix := strings.CutPrefix(c.spec.Env[i], environment.Listen+"=unix:")
					if !unix || len(path) > maxSocketPath || filepath.Base(path) != c.id()+".sock" || filepath.Dir(path) != f.sockets {
						t.Errorf("%s listens on %s", c.id(), path)
					}
				}
				if info, err := os.Stat(f.sockets); err != nil || info.Mode() != fs.ModeDir|0o700 {
					t.Errorf("the folder has mode %v, error %v", info.Mode(), err)
				}
				f.close()
				if _, err := os.Stat(f.sockets); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the folder is left: %v", err)
				}
			})
		})
	}
}
