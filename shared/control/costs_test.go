package control

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
)

// While no worker is up a query that overflows does not pay for queue and record.
func TestTheWayToAFunctionIsCheaperWithoutWorkers(t *testing.T) {
	p := profile.Prices{SQSPerRequest: 4e-7, DynamoDBPerWrite: 6.25e-7, LambdaPerRequest: 2e-7, LambdaGBSecondX86: 1.667e-5, LambdaGBSecondARM: 1.333e-5}
	aided, unaided := overflowUSD(p, settings.Defaults(), 100, 100)
	if aided <= unaided {
		t.Errorf("a way to a function takes $%v more, $%v without workers", aided, unaided)
	}
}

// Queries that all come to a small model take as little of the functions as they do of the
// workers, in time and in the price of the way, however slow the catalogue's other models are.
func TestTheTimeOnFunctionsIsThatOfTheQueriesThatCome(t *testing.T) {
	_, catalogue := profilestest.Loaded(t)
	c := New(Options{Catalogue: catalogue, Arch: "x86_64"})
	p := Pool{Name: "c5.large", InstanceType: "c5.large"}
	costs := func(m memory) decision.Case {
		in := decision.Case{Settings: settings.Defaults()}
		c.collectCosts(p, &in, m)
		return in
	}
	before := costs(memory{}).Snapshot
	var m memory
	m.Means.ServiceMS = workload.Mean{Value: before.ServiceMS / 20, Queries: 100}
	after := costs(m).Snapshot
	if before.FunctionMS <= 0 || math.Abs(after.FunctionMS-before.FunctionMS/20) > 1e-9 {
		t.Errorf("%v ms on functions, and %v ms for queries that take a 20th on workers", before.FunctionMS, after.FunctionMS)
	}
	if after.OverflowUSD >= before.OverflowUSD {
		t.Errorf("the way to a function costs $%v, and $%v for queries that take a 20th of the time", before.OverflowUSD, after.OverflowUSD)
	}
}

// The budget is the stage's: the pools before one in the tick count with what was decided for
// them, those after it with what they have, and all with what they cost in this hour.
func TestThePoolsShareTheBudget(t *testing.T) {
	_, catalogue := profilestest.Loaded(t)
	pool := func(name string) Pool { return Pool{Name: name, InstanceType: "c5.large"} }
	c := New(Options{Catalogue: catalogue, Pools: []Pool{pool("a"), pool("b"), pool("c")}})
	hour := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, m := range map[string]memory{
		"a": {Hour: hour, WorkersUSD: 0.5, Rules: decision.Action{To: 1}},
		"b": {Hour: hour, WorkersUSD: 4, Rules: decision.Action{To: 2}},
		"c": {Hour: hour.Add(-time.Hour), WorkersUSD: 9, Rules: decision.Action{To: 3}}, // not yet ticked in this hour
	} {
		c.keepForView(name, m)
	}
	in, _ := catalogue.Instance("c5.large")
	for name, want := range map[string]decision.Others{
		"a": {SpentUSD: 4, PresentUSDPerHour: 5 * in.USDPerHour},
		"b": {SpentUSD: 0.5, DecidedUSDPerHour: in.USDPerHour, PresentUSDPerHour: 3 * in.USDPerHour},
		"c": {SpentUSD: 4.5, DecidedUSDPerHour: 3 * in.USDPerHour},
	} {
		got := c.othersOf(t.Context(), name, hour)
		if math.Abs(got.DecidedUSDPerHour-want.DecidedUSDPerHour)+math.Abs(got.PresentUSDPerHour-want.PresentUSDPerHour)+math.Abs(got.SpentUSD-want.SpentUSD) > 1e-9 {
			t.Errorf("pool %s: the others take %+v, want %+v", name, got, want)
		}
	}
}
