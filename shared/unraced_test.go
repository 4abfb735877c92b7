package shared_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// racedElsewhere are packages that start goroutines, and have a part in tests that run
// without the race detector: what is missed there is found in these others.
var racedElsewhere = map[string]string{
	"cmd/paragon-lab/demo":       "no server of it is started",
	"shared/callbacks":           "the stack has the names of its settings alone",
	"shared/core/limits":         "its own tests; to others its limits are values",
	"shared/lab/evaluate":        "its tests of small grids run both ways",
	"shared/simulate":            "the tests of shared/simulate/comparison play several of its runs at once",
	"shared/simulate/comparison": "its own tests",
}

// What is tested without the race detector starts no goroutine: neither the tests, nor
// their package, nor what either imports.
func TestOnlyWhatRunsAloneGoesWithoutTheRaceDetector(t *testing.T) {
	checked := listed(t, ofMakefile(t, "UNRACED")...)
	imported := []string{}
	for _, p := range checked {
		p.startsNone(t, p.GoFiles, p.TestGoFiles, p.XTestGoFiles)
		imported = slices.Concat(imported, p.Imports, p.TestImports, p.XTestImports)
	}
	slices.Sort(imported)
	for _, p := range listed(t, slices.DeleteFunc(slices.Compact(imported), func(path string) bool { return !under(path, "cmd", "docs", "infra", "profiles", "shared") })...) {
		p.startsNone(t, p.GoFiles)
	}
	if len(checked) < 40 || len(imported) < 100 {
		t.Fatalf("%d packages were checked, with %d imports: the rule would hold of nothing", len(checked), len(imported))
	}
}

// What has tests that are not compiled with the race detector is tested without it, too.
func TestWhatIsNotRacedIsTestedAtAll(t *testing.T) {
	both := map[string]bool{}
	for _, p := range listed(t, ofMakefile(t, "BOTH")...) {
		both[p.ImportPath] = true
	}
	raced := map[string]int{}
	for _, p := range listed(t, "-tags=race", "./...") {
		raced[p.ImportPath] = len(p.TestGoFiles) + len(p.XTestGoFiles)
	}
	for _, p := range listed(t, "./...") {
		leavesOut := len(p.TestGoFiles)+len(p.XTestGoFiles) > raced[p.ImportPath]
		if leavesOut != both[p.ImportPath] {
			t.Errorf("%s: the race detector's run leaves tests out: %v; BOTH of the Makefile has it: %v", p.ImportPath, leavesOut, both[p.ImportPath])
		}
	}
}

// ofMakefile are the words of one of its variables.
func ofMakefile(t *testing.T, variable string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "make", "-s", "-C", "..", "--no-print-directory", "--eval", "list-words: ; @echo $("+variable+")", "list-words").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// testedPackage is a package with its tests, as `go list` describes it.
type testedPackage struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

// listed are packages by their paths or patterns, seen from the root. A flag of go list may come first.
func listed(t *testing.T, patterns ...string) (all []testedPackage) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-C", "..", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports"}, patterns...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p testedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// startsNone reports each place in files of a package that starts a goroutine.
func (p testedPackage) startsNone(t *testing.T, files ...[]string) {
	t.Helper()
	path := strings.TrimPrefix(p.ImportPath, "github.com/paragon-serving/paragon/")
	if racedElsewhere[path] != "" {
		return
	}
	for _, file := range slices.Concat(files...) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if startsGoroutine(n) {
				t.Errorf("%s starts a goroutine: %s cannot do without the race detector", fset.Position(n.Pos()), path)
			}
			return true
		})
	}
}

// startsGoroutine says whether a node of a file starts one: by the statement, or by a
// method of a group, of a test or of a server.
func startsGoroutine(n ast.Node) bool {
	if _, is := n.(*ast.GoStmt); is {
		return true
	}
	call, is := n.(*ast.CallExpr)
	if !is {
		return false
	}
	called, is := call.Fun.(*ast.SelectorExpr)
	return is && slices.Contains([]string{"Go", "Parallel", "RunParallel", "NewServer", "NewTLSServer", "AfterFunc"}, called.Sel.Name)
}

func TestStartsOfGoroutinesAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"go f()": 1, "group.Go(f)": 1, "t.Parallel()": 1, "httptest.NewServer(h)": 1, "time.AfterFunc(1, f)": 1, "f(); x.f(); cargo()": 0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "f.go", "package p\nfunc _() { "+text+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		ast.Inspect(f, func(n ast.Node) bool {
			if startsGoroutine(n) {
				got++
			}
			return true
		})
		if got != want {
			t.Errorf("%s: %d starts, want %d", text, got, want)
		}
	}
}
