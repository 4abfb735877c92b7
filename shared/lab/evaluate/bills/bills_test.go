package bills

import (
	"math"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// row is a scheme's bill and the share of relaxed bounds that it misses.
func row(scheme string, bill, missed float64) comparison.Ran {
	return comparison.Ran{Row: comparison.Row{Trace: "t", Catalogue: "c", Scheme: scheme, Queries: 100, BillUSD: bill, CostUSD: bill / 2, RelaxedViolation: missed}}
}

func TestSummary(t *testing.T) {
	w := summary([][]comparison.Ran{{row("hedged", 1, 0), row("mixed", 2, .004)}, {row("hedged", 3, .012), row("mixed", 2, .004)}},
		[]comparison.Ran{row("hedged", 5, .1), row("mixed", 6, 0)})
	mine, _ := w.of("hedged")
	if mine.Bill != (Spread{Mean: 2, Least: 1, Most: 3}) || mine.Keeps() || mine.ComputeUSD != 1 || mine.DefinedUSD != 5 || mine.DefinedKeeps {
		t.Errorf("%+v", mine)
	}
	if o, ok := w.lowest(""); !ok || o.Scheme != "mixed" || w.Seeds != 2 {
		t.Errorf("the lowest is %+v of %d seeds", o, w.Seeds)
	}
	if _, ok := w.lowest("mixed"); ok {
		t.Error("one that breaks the bounds has the lowest bill")
	}
}

// window is one of hedged and of mixed, with the bill of each and the share that it misses.
func window(mine, mineMissed, other, otherMissed float64) Window {
	rows := []comparison.Ran{row("hedged", mine, mineMissed), row("mixed", other, otherMissed)}
	return summary([][]comparison.Ran{rows}, rows)
}

// The conclusion follows from the windows.
func TestConclusion(t *testing.T) {
	for _, tt := range []struct {
		ws   []Window
		want []string
	}{
		{[]Window{window(1, 0, 2, 0), window(2, 0, 1, 0)}, []string{"in 2 of the 2", "average 1.000 times", "lowest of all in 1 of these 2", "it is 2.000 times"}},
		{[]Window{window(1, .1, 2, 0), window(1, .1, 2, .1)}, []string{"in 0 of the 2", "keeps the bounds is 1", "no other bill"}},
		{[]Window{window(1, 0, 2, .1)}, []string{"in 1 of the 1", "no other bill"}},
	} {
		got := conclusion(tt.ws)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
	}
	a := against([]Window{window(1, 0, 2, 0), window(1, 0, 8, 0), window(1, 0, 9, .1)}, "hedged")
	if len(a) != 1 || a[0].Windows != 2 || math.Abs(a[0].Bill.Mean-0.25) > 1e-12 || a[0].Bill.Most != 0.5 {
		t.Errorf("%+v", a)
	}
}

func TestDocument(t *testing.T) {
	rows := []comparison.Ran{row("hedged", 1, 0), row("mixed", 2, .1)}
	var b strings.Builder
	if err := Document(&b, []Window{summary([][]comparison.Ran{rows}, rows)}, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| hedged | 1.000 |", "| 1.000 |\n", "| mixed | 2.000 | 2.000 | 2.000 | - |", "(2.000)", "hedged has the lowest bill", "| mixed | 0 |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, b.String())
		}
	}
}

// The windows of a trace are summed, and compared with the least sum of a scheme that keeps the
// bounds in each of them.
func TestTracesAreSummed(t *testing.T) {
	of := func(trace string, w Window) Window {
		w.Trace = trace
		return w
	}
	var b strings.Builder
	writeTraces(&b, []Window{
		of("wits x1, hour 1", window(1, 0, 2, 0)), of("wits x1, hour 2", window(2, 0, 4, 0)),
		of("other x1, hour 1", window(1, 0, 2, 0)), of("other x1, hour 3", window(1, 0, 2, .1)),
		of("late x1, hour 1", window(1, .1, 2, 0)), of("late x1, hour 3", window(1, 0, 2, 0)),
	})
	for _, want := range []string{"| wits x1 | 2 | 3.000 | 6.000 | mixed | 0.500 |", "| other x1 | 2 | 2.000 | - | - | - |", "| late x1 | 2 | (2.000) | 4.000 | mixed | 0.500 |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	if writeTraces(&b, []Window{of("ramp up", window(1, 0, 2, 0))}); b.Len() > 0 {
		t.Errorf("a load of one window has a table:\n%s", b.String())
	}
}
