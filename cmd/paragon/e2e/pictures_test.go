package e2e_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
)

// picture is one labeled test picture.
type picture struct {
	name  string
	data  []byte
	label int
}

// pictures returns the labeled pictures that ship.
func pictures(t testing.TB) []picture {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	file, err := set.Samples("fashion").Open("labels.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []picture
	for _, row := range rows[1:] {
		data, err := fs.ReadFile(set.Samples("fashion"), row[0])
		if err != nil {
			t.Fatal(err)
		}
		label, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, picture{row[0], data, label})
	}
	if len(out) < 100 {
		t.Fatalf("only %d pictures", len(out))
	}
	return out
}

// slowProfiles writes profiles by which every model takes serviceMS a query, alone or
// in a batch, so that a paced fleet of a few workers is full at a load that two cores
// answer with ease. It returns the folder.
func slowProfiles(t testing.TB, serviceMS float64) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "profiles"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "fashion", "catalogue.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, m := range file["models"].([]any) {
		model := m.(map[string]any)
		for _, l := range model["latency"].([]any) {
			entry := l.(map[string]any)
			ms := serviceMS
			if batch, ok := entry["batch"].(float64); ok {
				ms *= batch
			}
			entry["ms"] = map[string]any{"p50": ms, "p95": ms * 1.02, "p99": ms * 1.04}
		}
	}
	if text, err = json.MarshalIndent(file, "", " "); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flag makes a flag of a number.
func flag(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
