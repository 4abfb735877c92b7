package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Goal is the least share of what Python's ONNX Runtime passes that is to pass, in
// percent.
const Goal = 98

// Summary counts outcomes.
type Summary struct {
	Cases     int `json:"cases"`
	Reference int `json:"reference"` // that Python's ONNX Runtime passes
	Passed    int `json:"passed"`    // of those
	More      int `json:"more"`      // that pass although Python's does not
	// Failed are those that only Python's passes.
	Failed []Outcome `json:"failed"`
}

// Percent is the share of the reference's cases that pass.
func (s Summary) Percent() float64 { return 100 * float64(s.Passed) / float64(max(s.Reference, 1)) }

// Summarize counts outcomes, of one kind of case or, with an empty one, of all.
func Summarize(outcomes []Outcome, kind string) (s Summary) {
	for _, o := range outcomes {
		if kind != "" && o.Case.Kind != kind {
			continue
		}
		s.Cases++
		switch python := o.Case.Python == ""; {
		case python && o.Why == "":
			s.Reference, s.Passed = s.Reference+1, s.Passed+1
		case python:
			s.Reference, s.Failed = s.Reference+1, append(s.Failed, o)
		case o.Why == "":
			s.More++
		}
	}
	return s
}

var page = template.Must(template.New("").Funcs(template.FuncMap{"cell": cell}).Parse(`# ONNX's own tests

` + "`make conformance`" + ` generated this page on {{.Date}}. The package onnx ({{.ONNX}}) of PyPI contains test cases. Both Python's onnxruntime and Paragon ran these cases.

- **Python**: onnxruntime {{.Library}}, the version that Paragon loads, ran the cases as the package's own test runner does.
- **Paragon**: ` + "`make conformance`" + ` checked the model of each case as ` + "`paragon model add --kind tensor --input tensor --sample`" + ` does. Then it answered the inputs of the case as
  a worker answers the queries of a tensor task.

A case passes by the package's own rule: each output has the expected data type and shape, and its numbers are within the tolerances of the case.

Of {{.All.Reference}} cases that pass in Python, {{.All.Passed}} pass in Paragon: {{printf "%.2f" .All.Percent}} %. The goal is {{.Goal}} %.

| kind of test | cases | pass in Python | pass in Python and Paragon | pass in Paragon only |
|---|--:|--:|--:|--:|
{{range .Kinds}}| {{.Kind}} | {{.Cases}} | {{.Reference}} | {{.Passed}} | {{.More}} |
{{end}}| all | {{.All.Cases}} | {{.All.Reference}} | {{.All.Passed}} | {{.All.More}} |

The cases that pass only in Paragon use data types that Python's interface does not support, such as BF16.

## Cases that pass in Python but not in Paragon
{{if .All.Failed}}
| case | reason |
|---|---|
{{range .All.Failed}}| {{.Name}} | {{cell .Why}} |
{{end}}{{else}}
Nothing.
{{end}}`))

// cell keeps a text within a cell of a table.
func cell(text string) string {
	const most = 160
	words := []rune(strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`))
	return string(words[:min(len(words), most)])
}

// Write writes the page of some outcomes. onnx and library are the versions.
func Write(w io.Writer, outcomes []Outcome, onnx, library string, now time.Time) error {
	type row struct {
		Kind string
		Summary
	}
	var kinds []string
	for _, o := range outcomes {
		if !slices.Contains(kinds, o.Case.Kind) {
			kinds = append(kinds, o.Case.Kind)
		}
	}
	var rows []row
	for _, k := range kinds {
		rows = append(rows, row{k, Summarize(outcomes, k)})
	}
	err := page.Execute(w, map[string]any{"Date": now.Format(time.DateOnly), "ONNX": onnx, "Library": library,
		"All": Summarize(outcomes, ""), "Kinds": rows, "Goal": Goal})
	if err != nil {
		return fmt.Errorf("write the page of ONNX's tests: %w", err)
	}
	return nil
}
