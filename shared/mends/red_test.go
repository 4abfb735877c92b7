//go:build mends

package mends

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Without its mend every test is red, and every scenario of the rehearsal in the line
// that the list names. The code itself stays as it is: the compiler is given another
// text in place of the file. What was red of the scenarios is a page, when all were.
func TestEveryScenarioIsRedWithoutItsMend(t *testing.T) {
	var mu sync.Mutex
	var rows []row
	t.Run("scenarios", func(t *testing.T) {
		for i, m := range rehearsed {
			t.Run(strings.TrimPrefix(m.Test, scenarioTest), func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				m.isRedInItsLine(t)
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, row{i, m, time.Since(began)})
			})
		}
	})
	t.Run("tests", func(t *testing.T) {
		for _, m := range tested {
			t.Run(strings.ReplaceAll(m.What, " ", "_"), func(t *testing.T) {
				t.Parallel()
				m.isRed(t)
			})
		}
	})
	if path := os.Getenv("PARAGON_MENDS_OUT"); path != "" && len(rows) == len(rehearsed) && !t.Failed() {
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
		if err := os.WriteFile(path, page(rows), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// row is what was red without a mend.
type row struct {
	at   int
	mend scenarioMend
	took time.Duration
}

// failedLine is the line of a scenario that has failed.
var failedLine = regexp.MustCompile(`line \d+, "([^"]+)"`)

// isRed plays a mend's test without it.
func (m mend) isRed(t *testing.T) {
	folder, test, _ := strings.Cut(m.Test, " ")
	said, err := run(root, nil, "go", "test", "-count=1", "-vet=off", "-timeout", "3m", "-overlay", without(t, m), "-run", pattern(test), folder)
	switch {
	case err == nil:
		t.Errorf("%s is green without it", m.Test)
	case strings.Contains(string(said), "[build failed]"):
		t.Errorf("it does not compile without it:\n%s", said)
	case !strings.Contains(string(said), "--- FAIL: ") && !strings.Contains(string(said), "panic: "):
		t.Errorf("no test has failed:\n%s", said)
	}
}

// isRedInItsLine builds the mend's binary without it and has the rehearsal play its
// scenario with that one.
func (m scenarioMend) isRedInItsLine(t *testing.T) {
	changed := t.TempDir()
	arch, tags, source := "arm64", ",figures", "./functions/"+m.Binary
	if m.Binary == "worker" {
		arch, tags, source = "amd64", "", "./workers"
	}
	build := fmt.Sprintf("%s%s -overlay %s -o %s %s", os.Getenv("PARAGON_GOBUILD"), tags, without(t, m.mend), filepath.Join(changed, m.Binary), source)
	if said, err := run(root, []string{"GOOS=linux", "GOARCH=" + arch}, "bash", "-c", build); err != nil {
		t.Fatalf("it does not compile without it: %v\n%s", err, said)
	}
	folder, test, _ := strings.Cut(m.Test, " ")
	said, err := run(filepath.Join(root, folder), []string{"PARAGON_CHANGED_BINARIES=" + changed},
		os.Getenv("PARAGON_REHEARSAL"), "-test.timeout", "10m", "-test.run", pattern(test))
	line := failedLine.FindSubmatch(said)
	if err == nil || line == nil || string(line[1]) != m.Line {
		t.Fatalf("error %v, and the line that failed is %q, want %q:\n%s", err, line, m.Line, said)
	}
}

// pattern matches a test and its subtest, and no other.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i := range parts {
		parts[i] = "^" + parts[i] + "$"
	}
	return strings.Join(parts, "/")
}

func run(dir string, env []string, name string, args ...string) ([]byte, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	return c.CombinedOutput()
}

// page is the table of what was red.
func page(rows []row) []byte {
	var b strings.Builder
	b.WriteString("# Scenarios that fail without a fix\n\n" +
		"`make mends` generates this page. The *rehearsal* (`make rehearse`) creates Paragon's stack on moto, an emulator of AWS. It then plays scenarios of faults. A scenario is a text file, and each line of it is a step or an expectation. With the binaries that are deployed, every scenario passes. For each row of this page, the command builds one binary without one fix and plays the scenario with this binary. The scenario must then fail at the line in the table. A line that waits for a condition fails if the condition is not met within 90 s. The run time includes the time to build the binary and to create the stack.\n\n" +
		"| scenario | fix that was removed | binary built without the fix | file of the fix | line of the scenario that fails | run time in seconds |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		name := strings.ReplaceAll(strings.TrimPrefix(r.mend.Test, scenarioTest), "_", " ")
		fmt.Fprintf(&b, "| %s | %s | `%s` | `%s` | `%s` | %.0f |\n", name, r.mend.What, r.mend.Binary, r.mend.File, r.mend.Line, r.took.Seconds())
	}
	return []byte(b.String())
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
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err := errors.Join(err, os.WriteFile(changed, []byte(strings.Replace(string(text), m.Take, m.Put, 1)), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		t.Fatal(err)
	}
	return overlay
}
