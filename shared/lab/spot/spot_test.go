package spot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/spot"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// On made-up availability the mix costs less than on demand and than SpotHedge, keeps
// the bounds, and the page says so.
func TestWaysToBuy(t *testing.T) {
	set, err := schema.Load("../../../profiles")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, then, now, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	c := comparison.New("flat", arrivals.Trace{Step: time.Second, Counts: slices.Repeat([]float64{30}, 7200)}, simulate.Markets(catalogue, then, now)[simulate.Cocktail2022])
	if c.Settings, err = simulate.DeployedSettings(nil); err != nil {
		t.Fatal(err)
	}
	c.AsDeployed, c.Spot.PriceFactor = &simulate.AsDeployed{}, 0.35
	record := &simulate.Availability{Name: "made up", Step: 5 * time.Minute, Zones: []string{"a", "b"}}
	for i := range 24 {
		record.Rows = append(record.Rows, [][]int{{4, 4}, {4, 0}, {0, 0}, {4, 4}}[i/6])
	}
	table, err := spot.Play(t.Context(), c, record, 2, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	onDemand, hedged, rival := table.Bought[0], table.Bought[1], table.Bought[2]
	if hedged.ComputeUSD() > 0.9*onDemand.ComputeUSD() || hedged.ComputeUSD() >= rival.ComputeUSD() {
		t.Errorf("$%.3f, on demand $%.3f, SpotHedge $%.3f", hedged.ComputeUSD(), onDemand.ComputeUSD(), rival.ComputeUSD())
	}
	if hedged.Strict.Ratio() > 0.005 || hedged.Relaxed.Ratio() > 0.005 || hedged.Interrupted == 0 {
		t.Errorf("%+v", hedged)
	}
	// Some three workers serve 30 queries a second: the record shows as many but in one of
	// four half hours.
	if share := table.Replaceable / table.Workers; share < 0.74 || share > 0.76 {
		t.Errorf("%.3f of the workers' time could be on spot instances, want 3 of 4", share)
	}
	if saved, want := table.ReplaceableSaving(), 0.65*0.75; saved < 0.9*want || saved > 1.02*want {
		t.Errorf("that would save %.3f, want some %.3f", saved, want)
	}
	var page strings.Builder
	if err := spot.Document(&page, []spot.Table{table}); err != nil || !strings.Contains(page.String(), "| "+spot.SpotHedge+" |") {
		t.Errorf("error %v, page\n%s", err, page.String())
	}
	if _, err := spot.Play(t.Context(), c, record, 1, 3*time.Hour, nil); err == nil {
		t.Error("a window longer than the record was played")
	}
}
