package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// The name of an environment variable is declared once, as a constant: two
// processes that write it out may come to mean two variables.
func TestEnvironmentNamesAreDeclaredOnce(t *testing.T) {
	declaredAt := map[string]token.Position{}
	for _, file := range goFiles(t, "..") {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/clitest/") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || !strings.HasPrefix(lit.Value, `"PARAGON_`) || strings.Contains(lit.Value, "*") {
				return true
			}
			at := fset.Position(lit.Pos())
			if first, twice := declaredAt[lit.Value]; twice {
				t.Errorf("%s: %s is written at %s already", at, lit.Value, first)
			}
			declaredAt[lit.Value] = at
			return true
		})
	}
	if len(declaredAt) < 20 {
		t.Errorf("%d names were found: the rule would hold of nothing", len(declaredAt))
	}
}
