package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Clients of the Open Inference Protocol work as their packages are: Triton's over
// HTTP, alone and side by side, and KServe's.
func TestForeignClientsWork(t *testing.T) {
	t.Parallel()
	python, err := filepath.Abs(filepath.Join(root, ".venv-clients", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: run `make clients`", err)
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, pictures(t)[0].data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, python, filepath.Join("testdata", "clients.py"), s.URL, path).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
