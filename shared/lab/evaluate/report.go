package evaluate

import (
	"bytes"
	"fmt"
	"html/template"
	"io"

	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.2rem .7rem;border-bottom:1px solid #ccc;text-align:right}
th:first-child,td:first-child,td:nth-child(2),td:nth-child(3){text-align:left}svg{max-width:100%;height:auto}
</style></head><body>
<h1>{{.Title}}</h1>
<p>Costs in US dollars, of workers and functions; the machinery has its own column. The clairvoyant knows the arrivals; nothing beats the bound.</p>
<table><tr><th>trace</th><th>catalogue</th><th>scheme</th><th>$</th><th>of reactive</th><th>workers $</th><th>functions $</th><th>machinery $</th>
<th>strict missed %</th><th>relaxed missed %</th><th>VM hours</th><th>overflow %</th><th>of clairvoyant</th><th>of bound</th></tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>
{{range .Figures}}<h2>{{.Title}}</h2>
{{.SVG}}
<ul>{{range .Findings}}<li>{{if .Holds}}holds{{else}}does not hold{{end}}: {{.Claim}} ({{.Detail}})</li>{{end}}</ul>
{{end}}</body></html>
`))

type drawn struct {
	Title    string
	SVG      template.HTML
	Findings []figures.Finding
}

// Report writes rows and figures as one page that needs nothing else.
func Report(w io.Writer, title string, rows []comparison.Ran, figs []figures.Figure) error {
	data := struct {
		Title   string
		Rows    [][]string
		Figures []drawn
	}{Title: title}
	for _, r := range rows {
		data.Rows = append(data.Rows, cells(r.Row))
	}
	for _, f := range figs {
		var svg bytes.Buffer
		if err := f.SVG(&svg); err != nil {
			return err
		}
		picture := svg.Bytes()
		if i := bytes.Index(picture, []byte("<svg")); i > 0 {
			picture = picture[i:] // without the XML declaration
		}
		// The plot library escapes the names that it draws.
		data.Figures = append(data.Figures, drawn{f.Title, template.HTML(picture), f.Findings})
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func cells(r comparison.Row) []string {
	return []string{
		r.Trace, r.Catalogue, r.Scheme, fmt.Sprintf("%.3f", r.CostUSD), comparison.RatioText(r.RelativeToReactive), fmt.Sprintf("%.3f", r.VMUSD), fmt.Sprintf("%.3f", r.LambdaUSD),
		fmt.Sprintf("%.3f", r.MachineryUSD), fmt.Sprintf("%.3f", 100*r.StrictViolation), fmt.Sprintf("%.3f", 100*r.RelaxedViolation),
		fmt.Sprintf("%.1f", r.VMHours), fmt.Sprintf("%.2f", 100*r.OverflowRatio), comparison.RatioText(r.RatioToClairvoyant), fmt.Sprintf("%.2f", r.RatioToBound),
	}
}

// CostFigure shows what schemes cost on one trace, hour by hour.
func CostFigure(rows []comparison.Ran) figures.Figure {
	f := figures.Figure{Name: "cost", Title: "Cost by hour", Columns: []string{"trace", "scheme", "hour", "workers_usd", "functions_usd", "strict_violation_ratio", "relaxed_violation_ratio"}}
	p := figures.Panel{Title: f.Title, X: "hour", Y: "$"}
	for _, r := range rows {
		s := figures.Series{Name: r.Row.Scheme, Joined: true}
		for i, h := range r.Result.Hours {
			s.Points = append(s.Points, figures.Point{X: float64(i), Y: h.Bill.Workers + h.Bill.Functions})
			f.Rows = append(f.Rows, []string{r.Row.Trace, r.Row.Scheme, fmt.Sprint(i), number(h.Bill.Workers), number(h.Bill.Functions), number(h.Strict.Ratio()), number(h.Relaxed.Ratio())})
		}
		p.Series = append(p.Series, s)
	}
	f.Panels = []figures.Panel{p}
	return f
}
