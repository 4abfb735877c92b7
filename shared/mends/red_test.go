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
// text in place of the file. What was red is a page, when all were.
func TestEveryScenarioIsRedWithoutItsMend(t *testing.T) {
	var mu sync.Mutex
	var rows []row
	play := func(t *testing.T, m mend, name string, at int, fails func(*testing.T) string) {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			red := fails(t)
			mu.Lock()
			defer mu.Unlock()
			rows = append(rows, row{at, m, name, red, time.Since(began)})
		})
	}
	t.Run("all", func(t *testing.T) {
		for i, m := range rehearsed {
			play(t, m.mend, strings.TrimPrefix(m.Test, scenarioTest), i, m.fails)
		}
		for i, m := range tested {
			play(t, m, m.What, len(rehearsed)+i, m.fails)
		}
	})
	if path := os.Getenv("PARAGON_MENDS_OUT"); path != "" && len(rows) == len(rehearsed)+len(tested) && !t.Failed() {
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
		if err := os.WriteFile(path, page(rows), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// row is what was red without a mend.
type row struct {
	at   int
	mend mend
	name string
	red  string
	took time.Duration
}

var (
	failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)
	failedLine = regexp.MustCompile(`line \d+, "([^"]+)"`)
)

// fails plays a mend's test without it, and returns what was red.
func (m mend) fails(t *testing.T) string {
	folder, test, _ := strings.Cut(m.Test, " ")
	said, err := run(root, nil, "go", "test", "-count=1", "-vet=off", "-timeout", "3m", "-overlay", without(t, m), "-run", pattern(test), folder)
	name := failedTest.FindSubmatch(said)
	switch {
	case err == nil:
		t.Errorf("%s is green without it", m.Test)
	case strings.Contains(string(said), "[build failed]"):
		t.Errorf("it does not compile without it:\n%s", said)
	case name == nil && !strings.Contains(string(said), "panic: "):
		t.Errorf("no test has failed:\n%s", said)
	case name == nil:
		return "it hangs"
	default:
		return string(name[1])
	}
	return ""
}

// fails builds the mend's binary without it, has the rehearsal play its scenario with
// that one, and returns the line that failed.
func (m scenarioMend) fails(t *testing.T) string {
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
	return m.Line
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
	b.WriteString("# Mends, and what is red without them\n\n" +
		"Made by `make mends`; edit nothing here. It takes out one mend for AWS after another and plays the test or scenario that holds it. Of a scenario of the rehearsal " +
		"it builds one binary without the mend and puts it in the place of the deployed one; the others are those that deploy. " +
		"Seconds are those of the build and of the play, two at a time, on a machine of two cores that others used.\n\n" +
		"| scenario or test | what is taken out | in | red | seconds |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		_, test, _ := strings.Cut(r.mend.Test, " ")
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` | %.0f |\n", strings.TrimPrefix(test, "TestScenarios/"), r.mend.What, r.mend.File, r.red, r.took.Seconds())
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
