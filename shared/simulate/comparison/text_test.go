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
