package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The place of the results is tried before anything is measured, and results of
// other measurements are not continued.
func TestResultsAreKeptFromTheStart(t *testing.T) {
	dir := t.TempDir()
	c := Config{Keep: filepath.Join(dir, "a new folder", "peers.json"), Connections: []int{1, 8}, Rounds: 3, Seconds: 1, Now: time.Now}
	first, err := c.begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Keep); err != nil {
		t.Errorf("nothing is kept before the first measurement: %v", err)
	}
	c.Rounds = 5
	again, err := c.begin()
	if err != nil || again.Date != first.Date || again.Rounds != 5 {
		t.Errorf("going on: %+v, error %v", again, err)
	}
	c.Seconds = 2
	if _, err := c.begin(); err == nil || !strings.Contains(err.Error(), "other measurements") {
		t.Errorf("measurements of other seconds were taken up: error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Keep = filepath.Join(dir, "file", "peers.json")
	if _, err := c.begin(); err == nil {
		t.Error("a place that cannot be written was taken")
	}
}
