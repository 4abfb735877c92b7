//go:build mends

package mends

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Without its mend every scenario is red. The code itself stays as it is: the compiler
// is given another text in place of the file.
func TestEveryScenarioIsRedWithoutItsMend(t *testing.T) {
	for _, m := range all {
		t.Run(strings.ReplaceAll(m.What, " ", "_"), func(t *testing.T) {
			folder, test, _ := strings.Cut(m.Test, " ")
			parts := strings.Split(test, "/")
			for i := range parts {
				parts[i] = "^" + parts[i] + "$"
			}
			c := exec.Command("go", "test", "-count=1", "-vet=off", "-timeout", "3m", "-overlay", without(t, m), "-run", strings.Join(parts, "/"), folder)
			c.Dir = root
			said, err := c.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("%s is green without it", m.Test)
			case strings.Contains(string(said), "[build failed]"):
				t.Errorf("it does not compile without it:\n%s", said)
			case !strings.Contains(string(said), "--- FAIL: ") && !strings.Contains(string(said), "panic: "):
				t.Errorf("no test has failed:\n%s", said)
			}
		})
	}
}

// without writes the file without the mend, and the overlay that puts it in its place.
func without(t *testing.T, m mend) (overlay string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, m.File))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.Take, m.Put, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
