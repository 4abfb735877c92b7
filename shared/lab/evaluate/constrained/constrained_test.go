package constrained_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/evaluate/constrained"
	"github.com/paragon-serving/paragon/shared/lab/mixes"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

func market(t *testing.T) simulate.Market {
	t.Helper()
	set, err := schema.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, _, now, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	return simulate.Markets(c, now, now)[simulate.Cocktail2022]
}

// play plays a made-up trace under three schemes.
func play(t *testing.T, name string) []constrained.Row {
	t.Helper()
	trace, err := evaluate.Lookalike(name, 5*time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison.New(name, trace, market(t))
	c.References = false
	var schemes []procurement.Scheme
	for _, scheme := range []string{"reactive", "paragon", "hedged"} {
		s, err := procurement.Get(scheme)
		if err != nil {
			t.Fatal(err)
		}
		schemes = append(schemes, s)
	}
	ran := 0
	rows, err := constrained.Play(t.Context(), c, schemes, func(string) { ran++ })
	if err != nil {
		t.Fatal(err)
	}
	if ran != constrained.Runs(c, len(schemes)) || len(rows) != ran {
		t.Fatalf("%d rows of %d runs, and %d were predicted", len(rows), ran, constrained.Runs(c, len(schemes)))
	}
	return rows
}

// Under every scheme, on traces of two shapes: what keeps the bounds of
// accuracy keeps them for every query; selection costs no more than drawing
// from what keeps the bounds, and much less where there is a choice; and
// drawing from everything breaks bounds that the others keep.
func TestSelectionComparedWithNaiveUnderProcurement(t *testing.T) {
	for _, trace := range []string{"wits-like", "twitter-like"} {
		rows := play(t, trace)
		late := map[string]float64{}
		for _, r := range rows {
			late[r.Mix+r.Scheme+r.Choice] = r.SLOViolation
		}
		for _, r := range rows {
			at := strings.Join([]string{trace, r.Mix, r.Scheme, r.Choice}, ", ")
			if r.Queries == 0 || r.CostUSD <= 0 || r.UnansweredQueries > 0 {
				t.Errorf("%s: %d queries for $%v, %d unanswered", at, r.Queries, r.CostUSD, r.UnansweredQueries)
			}
			switch r.Choice {
			case mixes.Selection:
				mostOf := 0.85
				if r.Mix == "both, at the edge" {
					mostOf = 1.001 // one or two models are left: there is next to no choice
				}
				if r.AccuracyViolation != 0 || r.OfNaiveFeasible > mostOf {
					t.Errorf("%s: %.3f of naive_feasible, %.3f inaccurate", at, r.OfNaiveFeasible, r.AccuracyViolation)
				}
			case mixes.NaiveFeasible:
				if r.AccuracyViolation != 0 || r.OfNaiveFeasible != 1 {
					t.Errorf("%s: %.3f of itself, %.3f inaccurate", at, r.OfNaiveFeasible, r.AccuracyViolation)
				}
			case mixes.NaiveAny:
				broken := r.AccuracyViolation + r.SLOViolation - late[r.Mix+r.Scheme+mixes.Selection]
				if broken < 0.1 || r.OfNaiveAny != 1 {
					t.Errorf("%s: %.3f of the queries are outside a bound", at, broken)
				}
			}
		}
	}
}

// A mix's strictness is its own: bounds on latency are strict, accuracy alone
// is relaxed, whatever the case says.
func TestClassesComeFromTheConstraints(t *testing.T) {
	for _, r := range play(t, "twitter-like") {
		want := 1.0
		if r.Mix == "accuracy alone" {
			want = 0
		}
		if r.Settings.StrictShare != want {
			t.Errorf("%s: %v strict, want %v", r.Mix, r.Settings.StrictShare, want)
		}
	}
}

func TestTablesHaveEveryMixAndScheme(t *testing.T) {
	rows := play(t, "twitter-like")
	other := make([]constrained.Row, len(rows))
	for i, r := range rows {
		r.Trace = "another"
		other[i] = r
	}
	var page, text bytes.Buffer
	if err := constrained.Document(&page, append(rows, other...)); err != nil {
		t.Fatal(err)
	}
	if err := constrained.Text(&text, rows); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "\n## "); n != 2 {
		t.Errorf("%d tables of two traces", n)
	}
	for _, m := range mixes.All() {
		for _, scheme := range []string{"reactive", "paragon", "hedged"} {
			if strings.Count(page.String(), "| "+m.Name+" | "+scheme+" | ") != 2 {
				t.Errorf("the page lacks %s under %s", m.Name, scheme)
			}
		}
		if !strings.Contains(text.String(), m.Name) {
			t.Errorf("the text lacks %s", m.Name)
		}
	}
}
