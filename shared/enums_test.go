package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A constant is named by its package's path in the module and its own name.
type constant struct{ pkg, name string }

// goFile is one parsed file of the product and what the packages it imports
// are called in it.
type goFile struct {
	dir     string
	tree    *ast.File
	imports map[string]string // path in the module, by name in the file
}

// product parses every Go file of the module that is no test.
func product(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := goFile{dir: filepath.ToSlash(strings.TrimPrefix(filepath.Dir(p), "../")), tree: tree, imports: map[string]string{}}
		for _, imp := range tree.Imports {
			at, _ := strconv.Unquote(imp.Path.Value)
			if inModule, ok := strings.CutPrefix(at, "github.com/paragon-serving/paragon/"); ok {
				name := path.Base(inModule)
				if imp.Name != nil {
					name = imp.Name.Name
				}
				f.imports[name] = inModule
			}
		}
		files = append(files, f)
		return nil
	})
	if err != nil || len(files) < 200 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	return files
}

// named returns the constant that an expression in a file names, if it is a name.
func (f goFile) named(e ast.Node) (constant, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return constant{f.dir, e.Name}, true
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && f.imports[x.Name] != "" {
			return constant{f.imports[x.Name], e.Sel.Name}, true
		}
	}
	return constant{}, false
}

// words are the values of the enumerations: constants of a named type that are a
// literal word. aliases are constants that are another one's value.
func words(files []goFile) (found map[constant]bool, aliases map[constant]constant) {
	found, aliases = map[constant]bool{}, map[constant]constant{}
	for _, f := range files {
		for _, decl := range f.tree.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				v := spec.(*ast.ValueSpec)
				for i, value := range v.Values {
					c := constant{f.dir, v.Names[i].Name}
					if lit, ok := value.(*ast.BasicLit); ok && v.Type != nil && lit.Kind == token.STRING {
						if t, ok := v.Type.(*ast.Ident); !ok || t.Name != "string" {
							found[c] = true
						}
					} else if of, ok := f.named(value); ok {
						aliases[c] = of
					}
				}
			}
		}
	}
	return found, aliases
}

// given are the constants that a file's code produces: those that it names
// otherwise than to compare with them or to declare them.
func (f goFile) given(count func(constant)) {
	ast.Inspect(f.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok != token.CONST
		case *ast.CaseClause:
			for _, s := range n.Body {
				goFile{f.dir, &ast.File{Name: f.tree.Name, Decls: []ast.Decl{bodyOf(s)}}, f.imports}.given(count)
			}
			return false
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ
		case *ast.SelectorExpr:
			if c, ok := f.named(n); ok {
				count(c)
				return false
			}
		case *ast.Ident:
			count(constant{f.dir, n.Name})
		}
		return true
	})
}

// bodyOf wraps a statement, to be walked alone.
func bodyOf(s ast.Stmt) ast.Decl {
	return &ast.FuncDecl{Name: ast.NewIdent("_"), Type: &ast.FuncType{Params: &ast.FieldList{}}, Body: &ast.BlockStmt{List: []ast.Stmt{s}}}
}

// read are the values that no code names, as they are read from a text.
var read = map[constant]string{
	{"shared/platform/sqlite", "SurvivesPowerCut"}: "by those who open a store for a benchmark",
	{"shared/core/callback", "Nowhere"}:            "as the zero value, of a stage that was deployed before there were callbacks in accounts",
}

// Every value of an enumeration (a state, a failure code, a reason) is produced
// somewhere, and not only compared with: a reader of the API may wait for it.
func TestEveryEnumeratedValueIsGiven(t *testing.T) {
	files := product(t)
	values, aliases := words(files)
	if !values[constant{"shared/core/query", "TooOften"}] || len(values) < 80 {
		t.Fatalf("found %d values", len(values))
	}
	given := map[constant]bool{}
	for _, f := range files {
		f.given(func(c constant) {
			for range 3 { // an alias of an alias of an alias
				if of, ok := aliases[c]; ok {
					c = of
				}
			}
			given[c] = true
		})
	}
	for c := range values {
		if given[c] == (read[c] != "") {
			t.Errorf("%s.%s: given %v, excused %q", c.pkg, c.name, given[c], read[c])
		}
	}
}
