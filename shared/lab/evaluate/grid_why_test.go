package evaluate

import (
	"strings"
	"testing"
	"time"
)

// What the page says of a finding is counted in its cells.
func TestWhyIsCounted(t *testing.T) {
	cell := func(delay time.Duration, f Finding) Cell {
		return Cell{Rules: Rules{Delay: delay, Reactive: reactives()[0]}, PriceRatio: 2.5, Findings: []Finding{f}}
	}
	grid := func(cells ...Cell) []Grid { return []Grid{{Trace: "t", Cells: cells}} }
	holds, few, costly := Finding{Holds: true}, Finding{Why: "too few"}, Finding{Why: "costs 1.20"}
	for _, tt := range []struct {
		name  string
		grids []Grid
		want  []string
	}{
		{"mixed", grid(cell(0, holds), cell(0, holds), cell(time.Minute, few), cell(time.Minute, costly), cell(time.Minute, Finding{Why: "costs 2.00"})),
			[]string{"2 of 5", "costs more (2), too few (1)", "most often with the condition *delay 0 s* (100 %)", "least often with *delay 60 s* (0 %)"}},
		{"everywhere", grid(cell(0, holds)), []string{"1 of 1 combinations."}},
		{"nowhere", grid(cell(0, few)), []string{"0 of 1", "too few (1)."}},
		{"nothing", grid(cell(0, Finding{Void: true})), []string{"nothing to measure"}},
	} {
		got := why(tt.grids, 0)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", tt.name, got, want)
			}
		}
	}
}
