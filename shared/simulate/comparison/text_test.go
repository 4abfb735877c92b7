package comparison_test

import (
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Heads are whole words, stand over their columns, and those without a unit are explained below.
func TestTheColumnsAreExplained(t *testing.T) {
	row := comparison.Row{Trace: "t", Catalogue: "c", Scheme: "s", RatioToClairvoyant: 1.25, RatioToBound: 1.5, RelativeToReactive: 0.75}
	var b strings.Builder
	if err := comparison.Text(&b, []comparison.Ran{{Row: row}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	head, first, below := lines[0], lines[1], strings.Join(lines[2:], " ")
	if strings.ContainsAny(head, "/.") {
		t.Errorf("a head is cut: %s", head)
	}
	for name, value := range map[string]string{"X REACTIVE": "0.750", "X CLAIRVOYANT": "1.250", "X LOWER BOUND": "1.500"} {
		end := strings.Index(head, name) + len(name)
		if !strings.Contains(head, name) || end > len(first) || !strings.HasSuffix(first[:end], value) {
			t.Errorf("%s is not over %s in\n%s\n%s", name, value, head, first)
		}
		if !strings.Contains(strings.ToUpper(below), strings.TrimPrefix(name, "X ")) {
			t.Errorf("%s is not explained: %s", name, below)
		}
	}
}

// A cost below the lower bound is explained by the queries that have no answer.
func TestARatioBelowTheLowerBoundIsExplained(t *testing.T) {
	for name, tc := range map[string]struct {
		row  comparison.Row
		said string
	}{
		"some unanswered": {comparison.Row{Scheme: "s", Queries: 300, RatioToBound: 0.9, UnansweredQueries: 12}, "s 12 of 300"},
		"some refused":    {comparison.Row{Scheme: "s", Queries: 300, RatioToBound: 0.9, RejectedQueries: 7}, "s 7 of 300"},
		"above the bound": {comparison.Row{Scheme: "s", Queries: 300, RatioToBound: 1.1, UnansweredQueries: 12}, ""},
		"no bound":        {comparison.Row{Scheme: "s", Queries: 300, UnansweredQueries: 12}, ""},
	} {
		var b strings.Builder
		if err := comparison.Text(&b, []comparison.Ran{{Row: tc.row}}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "below 1"); got != (tc.said != "") || !strings.Contains(b.String(), tc.said) {
			t.Errorf("%s:\n%s", name, b.String())
		}
	}
}
