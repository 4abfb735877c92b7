package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
func goFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name == "node_modules" || name == "cdk.out" || strings.HasPrefix(name, ".")):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go"):
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
	`outlook|packing|agenda|fates?|standins?)\b`)

// britishSpellings are words in the spelling that is not used: the spelling is American.
// "Catalogue", "cancelled" and "labelled" are names in the API and in flags, and stay.
var britishSpellings = regexp.MustCompile(`(?i)\b\w*(?:` +
	`(?:author|canon|categor|central|custom|emphas|final|harmon|initial|maxim|minim|normal|optim|organ|penal|prior|quant|random|recogn|sanit|serial|special|stabil|standard|summar|synchron|token|util|virtual)(?:it|ic)?is(?:e[ds]?|ers?|ing|ations?|able)|analys(?:ed|ers?|ing)` +
	`|(?:behavi|col|fav|hon|lab|neighb|flav)our|centre|defence|judgement|learnt|programme|artefact)(?:s|d|ed|ing|able)?\b|\b(?:grey|ageing)\b`)

var codeOfPage = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

// checkWords reports the words of a text that are left out.
func checkWords(t *testing.T, where, text string, leftOut ...*regexp.Regexp) {
	t.Helper()
	text = codeOfPage.ReplaceAllString(text, "")
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

// The README, the pages of docs, the description of the API and the web page say none of
// the words that are left out, and spell in one way.
func TestPagesAreInPlainWords(t *testing.T) {
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/lab/*.md", "../docs/openapi.yaml", "page/assets/*.html", "page/assets/*.js"} {
		pages, err := filepath.Glob(pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no page is at %s (%v)", pattern, err)
		}
		for _, page := range pages {
			if filepath.Base(page) == "uplot.js" {
				continue // a library, as it comes
			}
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			checkWords(t, page, string(text), phrasesLeftOut)
			if filepath.Ext(page) != ".js" { // whose identifiers are no texts
				checkWords(t, page, string(text), britishSpellings)
			}
		}
	}
}

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
