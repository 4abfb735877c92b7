package mends

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the repository.
const root = "../.."

// Every mend is where the list says, once, and its test is there.
func TestEveryMendIsThere(t *testing.T) {
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := strings.Count(string(text), m.Take); n != 1 || m.Take == m.Put {
			t.Errorf("%s: %q stands %d times in %s", m.What, m.Take, n, m.File)
		}
		folder, test, _ := strings.Cut(m.Test, " ")
		if name, scenario, ok := strings.Cut(test, "/"); ok {
			files, _ := filepath.Glob(filepath.Join(root, folder, "testdata", "*", scenario+".txt"))
			direct, _ := filepath.Glob(filepath.Join(root, folder, "testdata", scenario+".txt"))
			if len(files)+len(direct) != 1 {
				t.Errorf("%s: %s has no scenario %s", m.What, name, scenario)
			}
			continue
		}
		tests, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		there := false
		for _, f := range tests {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			there = there || strings.Contains(string(text), "func "+test+"(")
		}
		if !there {
			t.Errorf("%s: %s has no test %s", m.What, folder, test)
		}
	}
}
