package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The steps that fetch say so before they begin: a newcomer waits for them.
func TestLongStepsOfMakeSayThatTheyBegin(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "package.json", "package-lock.json"} {
		raw, err := os.ReadFile(filepath.Join("..", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	for _, name := range []string{"npm", "go"} {
		script := "#!/bin/sh\nmkdir -p node_modules\necho \"it runs $0\"\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "make", "-s", "-C", dir, "build")
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	before, ran := "", map[string]bool{}
	for line := range strings.Lines(string(out)) {
		tool, runs := strings.CutPrefix(line, "it runs ")
		if runs && !ran[tool] && (before == "" || strings.HasPrefix(before, "it runs ")) {
			t.Errorf("nothing is said before the first %s\n%s", tool, out)
		}
		if runs {
			ran[tool] = true
		}
		before = line
	}
	if len(ran) != 2 {
		t.Errorf("npm and go did not both run:\n%s", out)
	}
}

// With other flags Go would compile every package once more for the program that makes
// a pool's profiles.
func TestAPoolIsMadeWithTheFlagsOfTheBinaries(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "-n", "-B", "pool-mail").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(.*)\bgo (build|run) (.*?)(?:-o \S+ )?(\./\S+)`).FindAllStringSubmatch(string(out), -1) {
		flags[m[1]+m[3]] = append(flags[m[1]+m[3]], m[2]+" "+m[4])
	}
	if len(flags) != 1 || !strings.Contains(string(out), "go run") {
		t.Errorf("programs by their flags: %q", flags)
	}
}
