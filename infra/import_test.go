package infra

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Another module imports the stage and the Go client, and makes a stack of its own
// that may call the stage.
func TestAnotherModuleImportsTheStage(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir, out := t.TempDir(), t.TempDir()
	for to, from := range map[string]string{"main.go": "testdata/importer/main.go.txt", "go.sum": "../go.sum"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mod := strings.TrimSpace(said(t, root, "go", "list", "-m"))
	file := fmt.Sprintf("module shop.example/cdk\n\ngo 1.26\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", mod, mod, root)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	said(t, dir, "go", "run", "-mod=mod", ".", out, fakeDist(t))
	template, err := os.ReadFile(filepath.Join(out, "shop.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Action": "execute-api:Invoke"`, "paragon-shop:ExportsOutput"} {
		if !strings.Contains(string(template), want) {
			t.Errorf("the other stack has no %s:\n%s", want, template)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "paragon-shop.template.json")); err != nil {
		t.Error(err)
	}
}

// said runs a command in a folder and returns what it printed.
func said(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
