package shared_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A property that reports to the test around it is not shrunk when it fails, and
// prints neither the draws nor the seed that it failed with.
func TestPropertiesReportToTheirOwnTest(t *testing.T) {
	files, properties := token.NewFileSet(), 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".venv", ".git", "data"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		n, faults := outerTests(files, file)
		properties += n
		for _, fault := range faults {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if properties < 30 {
		t.Errorf("%d properties were found: the rule would hold of nothing", properties)
	}
}

// outerTests returns how many properties a file has, and the places within them
// that name the test around them.
func outerTests(files *token.FileSet, file *ast.File) (properties int, faults []string) {
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		outer := testParams(f.Type)
		ast.Inspect(f.Body, func(n ast.Node) bool {
			body, ok := n.(*ast.FuncLit)
			if !ok {
				return true
			}
			if !takesRapid(body.Type) {
				outer = append(outer, testParams(body.Type)...)
				return true
			}
			properties++
			for _, id := range uses(body, outer) {
				faults = append(faults, fmt.Sprintf("%s: a property names %s, the test around it", files.Position(id.Pos()), id.Name))
			}
			return false
		})
	}
	return properties, faults
}

// testParams names the parameters of a function that are a test.
func testParams(f *ast.FuncType) []string {
	return paramsOf(f, "testing", "T", "B", "TB", "F")
}

func takesRapid(f *ast.FuncType) bool { return len(paramsOf(f, "rapid", "T")) > 0 }

// paramsOf names the parameters of a function whose types are of a package.
func paramsOf(f *ast.FuncType, pkg string, types ...string) (names []string) {
	for _, field := range f.Params.List {
		typ := field.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		sel, ok := typ.(*ast.SelectorExpr)
		if !ok || !slices.Contains(types, sel.Sel.Name) {
			continue
		}
		if of, ok := sel.X.(*ast.Ident); !ok || of.Name != pkg {
			continue
		}
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// uses returns the identifiers of a property's body that name an outer test and
// that the property does not name anew: as its parameter, or that of a function
// within it.
func uses(body *ast.FuncLit, outer []string) (found []*ast.Ident) {
	anew := append(paramsOf(body.Type, "rapid", "T"), testParams(body.Type)...)
	outer = slices.DeleteFunc(slices.Clone(outer), func(name string) bool { return slices.Contains(anew, name) })
	members := map[*ast.Ident]bool{} // x.t and {t: x} are no tests
	ast.Inspect(body.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			found = append(found, uses(n, outer)...)
			return false
		case *ast.SelectorExpr:
			members[n.Sel] = true
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				members[key] = true
			}
		case *ast.Ident:
			if slices.Contains(outer, n.Name) && !members[n] {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

func TestTheOuterTestIsFoundInProperties(t *testing.T) {
	for _, c := range []struct {
		name, body string
		faults     int
	}{
		{"its own", `rapid.Check(t, func(rt *rapid.T) { rt.Fatal(x) })`, 0},
		{"named anew", `rapid.Check(t, func(t *rapid.T) { t.Fatal(x) })`, 0},
		{"the outer one", `rapid.Check(t, func(rt *rapid.T) { t.Fatal(x) })`, 1},
		{"handed on", `rapid.Check(t, func(rt *rapid.T) { check(t, x); check(rt, x) })`, 1},
		{"in a function within", `rapid.Check(t, func(rt *rapid.T) { each(func() { t.Error(x) }) })`, 1},
		{"a bubble's within", `rapid.Check(t, func(rt *rapid.T) { bubble(func(t *testing.T) { t.Error(x) }) })`, 0},
		{"a subtest's", `t.Run("a", func(s *testing.T) { rapid.Check(s, func(rt *rapid.T) { s.Error(x) }) })`, 1},
		{"of a variable", `p := func(rt *rapid.T) { t.Error(x) }; rapid.Check(t, p)`, 1},
		{"a member", `rapid.Check(t, func(rt *rapid.T) { x.t = y{t: 1} })`, 0},
	} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "", "package p\nfunc TestX(t *testing.T) {"+c.body+"}", 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, faults := outerTests(files, file); n != 1 || len(faults) != c.faults {
			t.Errorf("%s: %d properties with the faults %q, want %d", c.name, n, faults, c.faults)
		}
	}
}
