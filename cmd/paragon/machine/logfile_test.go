package machine

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// A full log becomes the earlier one, in whose place a new one begins, and no line is
// cut. Nobody else may read it.
func TestALogIsBounded(t *testing.T) {
	files := LogFiles(t.TempDir())
	line := strings.Repeat("x", 99) + "\n"
	for range 3 { // processes
		l, err := openLogFile(files[1], files[0], 1000)
		if err != nil {
			t.Fatal(err)
		}
		for range 9 {
			if _, err := l.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{10, 7} {
		text, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != strings.Repeat(line, want) {
			t.Errorf("%s has %d bytes, want %d lines", files[i], len(text), want)
		}
		info, err := os.Stat(files[i])
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", files[i], info.Mode(), err)
		}
	}
}

// What is logged goes to the file and to where it went before.
func TestTheLogIsStoredToo(t *testing.T) {
	var terminal strings.Builder
	m := &Machine{cfg: Config{DataDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&terminal, &slog.HandlerOptions{Level: slog.LevelWarn}))}}
	if err := m.openLog(); err != nil {
		t.Fatal(err)
	}
	m.log.Info("a worker is ready", "process", "w-1")
	m.log.Warn("a worker hangs", "lived", 90*time.Second)
	m.Close()
	text, err := os.ReadFile(LogFiles(m.cfg.DataDir)[1])
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"process":"w-1"`) || !strings.Contains(string(text), `"lived":"1m30s"`) {
		t.Errorf("%s, error %v", text, err)
	}
	if got := terminal.String(); strings.Contains(got, "ready") || !strings.Contains(got, "hangs") {
		t.Errorf("on the terminal: %s", got)
	}
}
