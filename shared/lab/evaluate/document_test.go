//go:build !race

package evaluate_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

func TestDocumentAndReport(t *testing.T) {
	c := window(t, "wits-like", markets(t)[simulate.Cocktail2022])
	rows, err := comparison.Play(context.Background(), c, procurement.All(), nil)
	if err != nil {
		t.Fatal(err)
	}
	comparison.Relate(rows)
	var md, html bytes.Buffer
	if err := evaluate.Document(&md, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### wits-like, cocktail2022", "| hedged |", "missed at most 0.5 % of the queries of each class"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, md.String())
		}
	}
	for _, name := range evaluate.FigureNames() {
		fig, err := evaluate.Figure(name, []comparison.Case{c}, rows)
		if err != nil {
			t.Fatal(err)
		}
		if name != "6" && len(fig.Rows) == 0 || len(fig.Findings) == 0 {
			t.Errorf("figure %s is empty", name)
		}
	}
	if err := evaluate.Report(&html, "a & b", rows, nil); err != nil || !strings.Contains(html.String(), "a &amp; b") {
		t.Errorf("error %v in\n%s", err, html.String())
	}
	if _, err := evaluate.Figure("9", nil, nil); err == nil {
		t.Error("figure 9 was made")
	}
}
