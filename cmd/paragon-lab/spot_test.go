package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

// The command writes its page, and refuses what it cannot play.
func TestSpot(t *testing.T) {
	folder := t.TempDir()
	trace, record, page := filepath.Join(folder, "flat.csv"), filepath.Join(folder, "cut.csv"), filepath.Join(folder, "spot.md")
	for file, text := range map[string]string{trace: "minute,count\n0,600\n1,600\n2,600\n3,600\n", record: "second,a,b\n0,3,1\n60,0,1\n120,0,0\n180,3,3\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"spot", trace, "--availability", record, "--windows", "2", "--window", "2m", "--markdown", page}
	term := newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), args); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	raw, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(raw), "| spothedge |") || !strings.Contains(string(raw), "flat x1, cut") {
		t.Errorf("error %v, page:\n%s", err, raw)
	}
	for _, wrong := range [][]string{{"--windows", "0"}, {"--availability", ""}} {
		term := newTerminal(t, http.NotFoundHandler())
		if code := term.Run(t.Context(), append([]string{"spot", trace}, wrong...)); code != cli.ExitUsage {
			t.Errorf("%v: exit %d", wrong, code)
		}
	}
}
