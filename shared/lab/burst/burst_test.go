package burst

import (
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// In a flash crowd another model keeps the accuracy that was asked for, fewer queries
// overflow, and no more are late.
func TestAnotherModelInAFlashCrowd(t *testing.T) {
	set, err := schema.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, _, now, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	m := simulate.Markets(c, now, now)[simulate.Cocktail2022]
	ask, err := asked(m)
	if err != nil {
		t.Fatal(err)
	}
	row := func(downgrade string) Row {
		ran, err := play(t.Context(), m, arrivals.Shape{Kind: "step", Rate: 20, Peak: 100, At: length / 2}, "mixed", downgrade, ask, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := Row{Load: "step", Scheme: "mixed", Downgrade: downgrade}
		r.add(ran, 1)
		return r
	}
	with, without := row("on"), row("off")
	if without.Other != 0 || with.Other == 0 || with.Accuracy < accuracy || with.Accuracy >= without.Accuracy {
		t.Errorf("%+v with, %+v without", with, without)
	}
	if with.Overflow >= without.Overflow || with.LateRatio > without.LateRatio || with.CostUSD >= without.CostUSD {
		t.Errorf("%+v with, %+v without", with, without)
	}
	page := Page{Simulated: []Row{with, without}}.Markdown()
	if strings.Count(page, "| step | mixed |") != 2 {
		t.Errorf("the page lacks rows: %s", page)
	}
}
