package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wordsLeftOut are words that no identifier has as one of its parts: private or
// vague ones, each with the field's word for it.
var wordsLeftOut = map[string]string{
	"home": "backend or platform", "desk": "admin service", "door": "stage parameter, listener", "standin": "test server",
	"told": "reported, printed, predicted", "tell": "report, respond, print", "tells": "reports", "foretold": "predicted",
	"look": "poll, read", "looks": "polls, reads", "see": "observe, update",
	"follow": "watch, refresh, update", "follows": "watches, depends on", "sit": "wait", "sift": "filter", "relieve": "evict",
	"ledger": "decision log", "resign": "release", "muster": "classify", "crew": "workers", "leaver": "scale-in candidate", "leavers": "scale-in candidates",
	"outlook": "demand", "surge": "burst", "packing": "idle tracking", "agenda": "event queue", "happen": "occur", "happens": "occurs",
	"fate": "outcome", "beside": "compared with, with", "dear": "expensive", "whoever": "any caller",
}

// standardTerms are compounds that have such a part and are the field's words.
var standardTerms = regexp.MustCompile(`(?i)look(ahead|back|up)`)

var identifierPart = regexp.MustCompile(`[A-Z]+(?:[a-z0-9]*)|[a-z0-9]+`)

// leftOut returns a part of an identifier that is left out, "" where none is.
func leftOut(name string) string {
	for _, part := range identifierPart.FindAllString(standardTerms.ReplaceAllString(name, ""), -1) {
		if word := strings.ToLower(part); wordsLeftOut[word] != "" {
			return word
		}
	}
	return ""
}

func TestLeftOut(t *testing.T) {
	for name, want := range map[string]string{
		"openHome": "home", "homes": "", "LookAheadMS": "", "lookBack": "", "Lookup": "", "lookFor": "look",
		"told": "told", "TestTheFateOfAll": "fate", "tellAll": "tell", "seen": "", "seeOff": "see", "predictedMS": "",
	} {
		if got := leftOut(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// No identifier is a private word where the field has one.
func TestIdentifiersAreTheFieldsWords(t *testing.T) {
	checked := 0
	for _, file := range goFiles(t, "..") {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range declared(f) {
			checked++
			if word := leftOut(id.Name); word != "" {
				t.Errorf("%s: %s: for %q say %s", fset.Position(id.Pos()), id.Name, word, wordsLeftOut[word])
			}
		}
	}
	if checked < 10_000 {
		t.Fatalf("%d identifiers were checked: the rule would hold of nothing", checked)
	}
}

// goFiles are the Go files below a folder.
func goFiles(t *testing.T, root string) []string {
	t.Helper()
	return filesBelow(t, root, func(path string) bool { return strings.HasSuffix(path, ".go") })
}

// filesBelow are the files below a folder that are wanted, by their paths with slashes;
// what is fetched, built or hidden is not looked through.
func filesBelow(t *testing.T, root string, wanted func(path string) bool) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (slices.Contains([]string{"node_modules", "cdk.out"}, name) || strings.HasPrefix(name, ".") && name != ".ci"):
			return filepath.SkipDir
		case d.IsDir() && filepath.Dir(path) == root && slices.Contains([]string{"bin", "data", "dist", "pools", "release", "site"}, name):
			return filepath.SkipDir
		case !d.IsDir() && wanted(filepath.ToSlash(path)):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// declared are the names that a file declares: packages, types, functions,
// methods, fields, parameters, variables and constants.
func declared(f *ast.File) []*ast.Ident {
	names := []*ast.Ident{f.Name}
	ast.Inspect(f, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncDecl:
			names = append(names, x.Name)
		case *ast.TypeSpec:
			names = append(names, x.Name)
		case *ast.ValueSpec:
			names = append(names, x.Names...)
		case *ast.Field:
			names = append(names, x.Names...)
		case *ast.AssignStmt:
			if x.Tok == token.DEFINE {
				names = append(names, identifiers(x.Lhs)...)
			}
		case *ast.RangeStmt:
			if x.Tok == token.DEFINE {
				names = append(names, identifiers([]ast.Expr{x.Key, x.Value})...)
			}
		}
		return true
	})
	return names
}

func identifiers(of []ast.Expr) (names []*ast.Ident) {
	for _, e := range of {
		if id, ok := e.(*ast.Ident); ok {
			names = append(names, id)
		}
	}
	return names
}

// phrasesLeftOut are private or vague words of earlier texts, which pages and output are
// written without.
var phrasesLeftOut = regexp.MustCompile(`(?i)\b(whoever|gone by|held to|foretold|foretells?|told|tells?|telling|so many|so long|of late(?:[,.;:)]|$)|` +
	`beside|dear|desk|doors?|muster\w*|riddle\w*|at home|a home|the home|homes|surges?|ledgers?|sits?|sift\w*|relieve\w*|resign\w*|crews?|leavers?|` +
	`outlook|packing|agenda|fates?|standins?|bench|home)\b`)

// termsAllowed have a word that is left out elsewhere, and are a command, a flag or the name of something.
var termsAllowed = regexp.MustCompile(`(?i)\bbench(?:-peers\w*|-quick)\b|\bmake bench\b|\$home\b|--home-dir\b|\bhome (?:folder|directory)\b`)

// britishSpellings are words in the spelling that is not used: the spelling is American.
// "Catalogue" and "cancelled" are names in the API and in flags, and stay.
var britishSpellings = regexp.MustCompile(`(?i)\b\w*(?:` +
	`(?:author|canon|categor|central|custom|emphas|final|harmon|initial|maxim|minim|normal|optim|organ|penal|prior|quant|random|recogn|sanit|serial|special|stabil|standard|summar|synchron|token|util|virtual)(?:it|ic)?is(?:e[ds]?|ers?|ing|ations?|able)|analys(?:ed|ers?|ing)` +
	`|(?:behavi|col|fav|hon|lab|neighb|flav)our|centre|defence|judgement|learnt|programme|artefact)(?:s|d|ed|ing|able)?\b|\b(?:grey|ageing|(?:un)?labelled)\b`)

var codeOfPage = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

// checkWords reports the words of a text that are left out.
func checkWords(t *testing.T, where, text string, leftOut ...*regexp.Regexp) {
	t.Helper()
	text = termsAllowed.ReplaceAllString(codeOfPage.ReplaceAllString(text, ""), "")
	for _, words := range leftOut {
		for _, found := range words.FindAllString(text, -1) {
			t.Errorf("%s says %q", where, found)
		}
	}
}

func TestSpellings(t *testing.T) {
	for text, british := range map[string]bool{
		"to optimise cost": true, "initialisation": true, "API Gateway authorises": true, "its neighbours": true, "Coloured": true, "the centre": true, "analyses and analysed": true,
		"a promise otherwise": false, "precise rows arise": false, "optimize the catalogue of a cancelled one": false, "hours of four": false, "a list of analyses": false,
	} {
		if britishSpellings.MatchString(text) != british {
			t.Errorf("%q: British %v, want %v", text, !british, british)
		}
	}
}

// The README, the pages of docs, the description of the API, the web page, help texts of
// make, dashboards, scripts and scenarios of tests say none of the words that are left out,
// and spell in one way.
func TestPagesAreInPlainWords(t *testing.T) {
	byKind := map[string]int{}
	for _, page := range textFiles(t, "..") {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text, kind := string(raw), filepath.Ext(page)
		if filepath.Base(page) == "Makefile" {
			text = strings.Join(textOfMakefile.FindAllString(text, -1), "\n")
		}
		byKind[kind]++
		checkWords(t, page, text, phrasesLeftOut)
		if kind != ".js" && kind != ".mjs" { // whose identifiers are no texts
			checkWords(t, page, nameInQuotes.ReplaceAllString(text, ""), britishSpellings)
		}
	}
	for kind, least := range map[string]int{".md": 40, ".py": 15, ".js": 10, ".mjs": 3, ".html": 1, ".yaml": 2, ".json": 2, ".txtar": 15, ".txt": 20, "": 2} {
		if byKind[kind] < least {
			t.Errorf("%d files %q were checked: the rule would hold of nothing", byKind[kind], kind)
		}
	}
}

// textOfMakefile is what people read of one: comments, help texts and what is printed.
var textOfMakefile = regexp.MustCompile(`(?m)^#.*$|## .*$|'[^'\n]* [^'\n]*'`)

// nameInQuotes is a string without a space: a file or a key, which stays what it is.
var nameInQuotes = regexp.MustCompile(`"[^" \n]*"`)

// textFiles are the files of texts below a folder, but Go's: those that are written here,
// without lists of versions, data and libraries.
func textFiles(t *testing.T, root string) []string {
	t.Helper()
	kinds := regexp.MustCompile(`\.(?:md|py|mjs|js|html|css|yaml|toml|txtar|tmpl|sh)$|/(?:Makefile|Dockerfile)$|/testdata/[^/]+\.txt$|/(?:grafana|schema)\.json$`)
	others := regexp.MustCompile(`/uplot\.|/profiles/.*/testdata/`)
	return filesBelow(t, root, func(path string) bool { return kinds.MatchString(path) && !others.MatchString(path) })
}

// Comments of Go files, those of tests too, are in the same words and the same spelling;
// names of the file itself are no words.
func TestCommentsAreInPlainWords(t *testing.T) {
	checked := 0
	for _, file := range goFiles(t, "..") {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(f) {
			continue
		}
		names := map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				names[id.Name] = true
			}
			return true
		})
		for _, comment := range f.Comments {
			checked++
			text := strings.Join(strings.Fields(comment.Text()), " ")
			where := fset.Position(comment.Pos()).String()
			checkWords(t, where, text, phrasesLeftOut)
			checkWords(t, where, word.ReplaceAllStringFunc(text, func(w string) string {
				if names[w] {
					return ""
				}
				return w
			}), britishSpellings)
		}
	}
	if checked < 10_000 {
		t.Fatalf("%d comments were checked: the rule would hold of nothing", checked)
	}
}

var word = regexp.MustCompile(`\w+`)

// What programs print, log and answer with is said in the same words as the pages: string
// literals of more than one word, without tests, generated files and tags of fields.
func TestOutputIsInPlainWords(t *testing.T) {
	checked := 0
	for _, folder := range []string{"../cmd", "../functions", "../workers", "../infra", "."} {
		for _, file := range goFiles(t, folder) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(f) {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					field.Tag = nil
				}
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(text, " ") {
					checked++
					checkWords(t, fset.Position(literal.Pos()).String(), text, phrasesLeftOut, britishSpellings)
				}
				return true
			})
		}
	}
	if checked < 2_000 {
		t.Fatalf("%d texts were checked: the rule would hold of nothing", checked)
	}
}
