package mends

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the repository.
const root = "../.."

// Every mend is where the list says, once, and its test is there.
func TestEveryMendIsThere(t *testing.T) {
	all := slices.Clone(tested)
	for _, m := range rehearsed {
		all = append(all, m.mend)
	}
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

// Every scenario of the rehearsal has a mend or several, in the order of their numbers,
// and of each the line that fails without it.
func TestEveryScenarioHasAMend(t *testing.T) {
	number := 0
	for _, m := range rehearsed {
		name := strings.TrimPrefix(m.Test, scenarioTest)
		if !strings.HasPrefix(name, fmt.Sprintf("%d_", number)) {
			number++
		}
		if !strings.HasPrefix(name, fmt.Sprintf("%d_", number)) {
			t.Errorf("%s is not the scenario %d", name, number)
		}
		text, err := os.ReadFile(filepath.Join(root, "cmd/paragon/rehearse/testdata", name+".txt"))
		if err != nil {
			t.Error(err)
		}
		if !slices.Contains(strings.Split(string(text), "\n"), m.Line) || m.Binary == "" {
			t.Errorf("%s has no line %q, or no binary is changed", name, m.Line)
		}
	}
	if files, err := filepath.Glob(filepath.Join(root, "cmd/paragon/rehearse/testdata/*.txt")); err != nil || len(files) != number {
		t.Errorf("%d scenarios, and mends of %d; error %v", len(files), number, err)
	}
}
