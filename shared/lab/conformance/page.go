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

Made by ` + "`make conformance`" + ` on {{.Date}}; edit nothing here. The test cases that PyPI's onnx ({{.ONNX}}) ships
are run through Paragon and, as the package's own runner does, through Python's onnxruntime of the library's version ({{.Library}}). A case's model is checked as ` + "`paragon model add --kind tensor --input tensor --sample`" + `
checks it, in one process for all; its inputs then go, packed as a query's, through what answers a tensor task on a worker.
A case passes by the package's rule: each output has the expected datatype and shape, and its numbers are within the case's
tolerances.

Of {{.All.Reference}} cases that Python's onnxruntime passes, {{.All.Passed}} pass: {{printf "%.2f" .All.Percent}} %; {{.Goal}} % is the goal.

| kind | cases | pass in Python | of those pass here | pass here alone |
|---|--:|--:|--:|--:|
{{range .Kinds}}| {{.Kind}} | {{.Cases}} | {{.Reference}} | {{.Passed}} | {{.More}} |
{{end}}| all | {{.All.Cases}} | {{.All.Reference}} | {{.All.Passed}} | {{.All.More}} |

"Pass here alone" are those that Python's interface cannot be given or asked, such as BF16, which NumPy lacks.

## What does not pass
{{if .All.Failed}}
| case | why |
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
