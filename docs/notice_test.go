package docs

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// NOTICE names every module that is linked into what ships, and no other.
func TestNoticeNamesWhatShips(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}",
		"github.com/paragon-serving/paragon/cmd/paragon", "github.com/paragon-serving/paragon/cmd/paragon-lab", "github.com/paragon-serving/paragon/functions/...", "github.com/paragon-serving/paragon/workers")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	linked = slices.Compact(linked)
	text, err := os.ReadFile("../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for line := range strings.Lines(string(text)) {
		if module, ok := strings.CutPrefix(line, "  "); ok {
			named = append(named, strings.TrimSpace(module))
		}
	}
	for _, m := range linked {
		if !slices.Contains(named, m) {
			t.Errorf("%s is linked and not named", m)
		}
	}
	for _, m := range named {
		if !slices.Contains(linked, m) {
			t.Errorf("%s is named and not linked", m)
		}
	}
}
