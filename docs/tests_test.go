package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	namedRule = regexp.MustCompile(`rules? "[^"]+"(?:,? (?:and )?"[^"]+")*`)
	namedCase = regexp.MustCompile("`([a-z]+_[a-zA-Z0-9_]*\\*?)`")
)

// A page that names a test which is not there promises what nobody checks.
func TestNamedTestsExist(t *testing.T) {
	functions, infra := testFunctions(t)
	for _, page := range pages(t) {
		text := read(t, page)
		for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
			if !functions[m[1]] {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
		for _, rules := range namedRule.FindAllString(text, -1) {
			for _, m := range regexp.MustCompile(`"[^"]+"`).FindAllString(rules, -1) {
				if !strings.Contains(infra, "{"+m+",") {
					t.Errorf("%s names the rule %s, which is not there", page, m)
				}
			}
		}
	}
	for _, row := range promises(t) {
		for _, m := range namedCase.FindAllStringSubmatch(row[strings.LastIndex(row, " | "):], -1) {
			if found, err := filepath.Glob("../shared/control/testdata/" + m[1] + ".txt"); err != nil || len(found) == 0 {
				t.Errorf("no scenario is called %s (%v)", m[1], err)
			}
		}
	}
}

// Each risk of OWASP's list and each promise names its tests.
func TestEachRiskAndPromiseHasItsTests(t *testing.T) {
	rows := promises(t)
	if len(rows) != 10 {
		t.Errorf("%d promises are listed, want 10", len(rows))
	}
	_, risks, _ := strings.Cut(read(t, "security.md"), "## By the OWASP list")
	for n := 1; n <= 10; n++ {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \*\*API%d .*$`, n)).FindString(risks)
		rows = append(rows, row)
	}
	for _, row := range rows {
		tests := row[max(0, strings.LastIndex(row, " | ")):]
		if !namedTest.MatchString(tests) || strings.Contains(tests, "no test yet") {
			t.Errorf("without tests: %q", row)
		}
	}
}

// Each alarm of the template says what to do.
func TestEveryAlarmIsExplained(t *testing.T) {
	ids := regexp.MustCompile(`\{(name \+ )?"(\w+)Alarm", `).FindAllStringSubmatch(read(t, "../infra/observability.go"), -1)
	if len(ids) < 15 {
		t.Fatalf("%d alarms were found", len(ids))
	}
	_, table, _ := strings.Cut(read(t, "operations.md"), "## Alarms")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, id := range ids {
		name := strings.ToLower(regexp.MustCompile(`(\w)([A-Z])`).ReplaceAllString(id[2], "$1-$2")) + "-alarm`"
		if id[1] != "" {
			name = "`<pool>-" + name
		}
		if !strings.Contains(table, name) {
			t.Errorf("%s is not explained", name)
		}
	}
}

// What a page says to make is a target of the Makefile, with its variables; a scenario that
// it names is one that the rehearsal plays.
func TestNamedTargetsAndScenariosExist(t *testing.T) {
	makefile := read(t, "../Makefile")
	made := regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)((?: [A-Z_]+=)?)")
	played := regexp.MustCompile("`(\\d+_[a-z_]+)`")
	targets, scenarios := 0, 0
	for _, page := range append(pages(t), "../README.md") {
		text := read(t, page)
		for _, m := range made.FindAllStringSubmatch(text, -1) {
			if targets++; !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: there is no make %s", page, m[1])
			}
			if variable := strings.Trim(m[2], " ="); variable != "" && !strings.Contains(makefile, "$("+variable+")") {
				t.Errorf("%s: make %s takes no %s", page, m[1], variable)
			}
		}
		for _, m := range played.FindAllStringSubmatch(text, -1) {
			scenarios++
			if _, err := os.Stat("../cmd/paragon/rehearse/testdata/" + m[1] + ".txt"); err != nil {
				t.Errorf("%s: the rehearsal plays no %s", page, m[1])
			}
		}
	}
	if targets < 20 || scenarios == 0 {
		t.Errorf("%d targets and %d scenarios are named", targets, scenarios)
	}
}

// promises are the rows of what Paragon promises.
func promises(t *testing.T) (rows []string) {
	t.Helper()
	_, table, _ := strings.Cut(read(t, "operations.md"), "## What is promised, and the tests")
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| promise |") {
			rows = append(rows, strings.TrimSuffix(strings.TrimSpace(line), " |"))
		}
	}
	return rows
}

// testFunctions are the names of all tests, and the text of those of the template.
func testFunctions(t *testing.T) (functions map[string]bool, infra string) {
	t.Helper()
	functions = map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && (e.Name() == "node_modules" || len(e.Name()) > 2 && strings.HasPrefix(e.Name(), ".")) {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text := read(t, path)
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			functions[m[1]] = true
		}
		if filepath.Dir(path) == "../infra" {
			infra += text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return functions, infra
}

// pages are those of this folder, and those at the repository's root.
func pages(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "lab/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
