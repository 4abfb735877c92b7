package procurement

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// constantsOf lists the names of the constants that a file declares.
func constantsOf(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// Every constant of hedged is in the table, with a unit and a source, and the
// page has the same table.
func TestHedgedConstantsAreListed(t *testing.T) {
	page, err := os.ReadFile("../../../docs/schemes.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, c := range hedgedConstants() {
		listed = append(listed, c.Name)
		if c.Unit == "" || c.Meaning == "" || c.Source == "" || c.Value <= 0 {
			t.Errorf("%+v", c)
		}
		if row := fmt.Sprintf("| `%s` | %s | %v | %s | %s |", c.Name, c.Meaning, c.Value, c.Unit, c.Source); !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/schemes.md lacks the row\n%s", row)
		}
	}
	declared := constantsOf(t, "constants.go")
	slices.Sort(declared)
	slices.Sort(listed)
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %v, listed %v", declared, listed)
	}
	for _, file := range []string{"hedged.go", "nowcast.go", "exascale.go"} {
		if own := constantsOf(t, file); len(own) > 0 {
			t.Errorf("%s has constants of its own: %v", file, own)
		}
	}
}
