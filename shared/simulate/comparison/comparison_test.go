package comparison_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

func markets(t *testing.T) map[string]simulate.Market {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, then, now, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	return simulate.Markets(c, then, now)
}

// crowd is twenty minutes in which a crowd comes.
func crowd(t *testing.T, m simulate.Market) comparison.Case {
	t.Helper()
	shape := arrivals.Shape{Kind: "flash_crowd", Rate: 20, Peak: 80, Period: 5 * time.Minute, At: 30 * time.Minute}
	tr, err := arrivals.Generate(shape, 40*time.Minute, rand.New(rand.NewPCG(1, 21)))
	if err != nil {
		t.Fatal(err)
	}
	c := comparison.New("crowd", tr, m)
	c.Scaling, c.From, c.For = "made up", 20*time.Minute, 20*time.Minute
	return c
}

// play plays schemes and returns the rows by scheme.
func play(t *testing.T, c comparison.Case, schemes ...procurement.Scheme) map[string]comparison.Row {
	t.Helper()
	ran, err := comparison.Play(t.Context(), c, schemes, nil)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]comparison.Row{}
	for _, r := range ran {
		of[r.Row.Scheme] = r.Row
	}
	return of
}

// hedged is the scheme of that name.
func hedged(t *testing.T) procurement.Scheme {
	t.Helper()
	s, err := procurement.Get("hedged")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The references stand in their order, and the row has what the simulation has.
func TestReferences(t *testing.T) {
	for _, row := range play(t, crowd(t, markets(t)[simulate.Cocktail2022]), procurement.All()...) {
		if !(row.LinearUSD > 0 && row.LinearUSD <= row.ClairvoyantUSD && row.ClairvoyantGap == row.ClairvoyantUSD/row.LinearUSD) {
			t.Errorf("%s: the clairvoyant's $%v is %v of the linear programme's $%v", row.Scheme, row.ClairvoyantUSD, row.ClairvoyantGap, row.LinearUSD)
		}
		if !(row.BoundUSD > 0 && row.BoundUSD < row.ClairvoyantUSD && row.ClairvoyantUSD <= row.ClairvoyantNoDefer) {
			t.Errorf("%s: bound %v, clairvoyant %v, without deferral %v", row.Scheme, row.BoundUSD, row.ClairvoyantUSD, row.ClairvoyantNoDefer)
		}
		if math.Abs(row.BillUSD-row.CostUSD-row.MachineryUSD) > 1e-9 || row.WithoutGatewayUSD >= row.BillUSD-row.MachineryUSD/2 {
			t.Errorf("a bill of $%v, $%v without the gateway, for $%v and machinery of $%v", row.BillUSD, row.WithoutGatewayUSD, row.CostUSD, row.MachineryUSD)
		}
		if row.CostUSD != row.VMUSD+row.LambdaUSD || row.Queries == 0 || row.Settings.InstanceType != "c5.large" {
			t.Errorf("%+v", row)
		}
	}
}

// The markets are as the evaluation defines them.
func TestPriceRatios(t *testing.T) {
	for name, want := range map[string][2]float64{simulate.Paper2020: {6.5, 8.5}, simulate.Cocktail2022: {2.4, 2.8}} {
		c := crowd(t, markets(t)[name])
		cfg, err := c.Config(nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := simulate.PriceRatio(&cfg); r < want[0] || r > want[1] {
			t.Errorf("%s: a function's query costs %.2f times a worker's, want %v", name, r, want)
		}
	}
}

func TestRowsAsJSON(t *testing.T) {
	c := crowd(t, markets(t)[simulate.Cocktail2022])
	c.For, c.References = time.Minute, false
	raw, err := json.Marshal(play(t, c, hedged(t))["hedged"])
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"trace", "scheme", "queries", "cost_usd", "vm_usd", "lambda_usd", "machinery_usd", "bill_usd", "slo_violation_ratio",
		"strict_violation_ratio", "relaxed_violation_ratio", "vm_hours", "overflow_ratio", "bound_usd", "clairvoyant_usd", "linear_usd", "clairvoyant_gap", "ratio_to_clairvoyant", "price_ratio", "seed", "settings"} {
		if !bytes.Contains(raw, []byte(`"`+field+`":`)) {
			t.Errorf("no %s in %s", field, raw)
		}
	}
}

func TestOneRunFaultsTheCase(t *testing.T) {
	c := crowd(t, markets(t)[simulate.Cocktail2022])
	c.Market.InstanceType = "x9.huge"
	if _, err := comparison.Play(context.Background(), c, procurement.All(), nil); err == nil || !strings.Contains(err.Error(), "x9.huge") {
		t.Errorf("error %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := comparison.Play(ctx, crowd(t, markets(t)[simulate.Cocktail2022]), procurement.All(), nil); err == nil {
		t.Error("a cancelled evaluation went on")
	}
}

// A list of queries is one request: it pays the gateway once.
func TestAListPaysTheGatewayOnce(t *testing.T) {
	usd := func(items int) float64 {
		c := crowd(t, markets(t)[simulate.Cocktail2022])
		c.For, c.References, c.AsDeployed = 2*time.Minute, false, &simulate.AsDeployed{ListItems: items}
		row := play(t, c, hedged(t))["hedged"]
		return (row.BillUSD - row.WithoutGatewayUSD) / float64(row.Queries)
	}
	if one, ten := usd(1), usd(10); math.Abs(ten/one-0.1) > 0.01 {
		t.Errorf("the gateway takes $%v of a query, and $%v of one in a list of ten", one, ten)
	}
}
