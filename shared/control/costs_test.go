package control

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
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
// them, those after it with what they want, and all with what they cost in this hour.
func TestThePoolsShareTheBudget(t *testing.T) {
	_, catalogue := profilestest.Loaded(t)
	pool := func(name string) Pool { return Pool{Name: name, InstanceType: "c5.large"} }
	c := New(Options{Catalogue: catalogue, Pools: []Pool{pool("a"), pool("b"), pool("c")}})
	hour := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, m := range map[string]memory{
		"a": {Hour: hour, WorkersUSD: 0.5, Rules: decision.Action{To: 1}, Up: 2, Wanted: 3},
		"b": {Hour: hour, WorkersUSD: 4, Rules: decision.Action{To: 2}, Up: 1, Wanted: 9},
		"c": {Hour: hour.Add(-time.Hour), WorkersUSD: 9, Rules: decision.Action{To: 3}, Up: 3, Wanted: 3}, // not yet ticked in this hour
	} {
		c.keepTick(name, m)
	}
	in, _ := catalogue.Instance("c5.large")
	usd := in.USDPerHour
	for name, want := range map[string]decision.Others{
		"a": {SpentUSD: 4, WantedUSDPerHour: []float64{9 * usd, 3 * usd}},
		"b": {SpentUSD: 0.5, DecidedUSDPerHour: 2 * usd, WantedUSDPerHour: []float64{3 * usd}},
		"c": {SpentUSD: 4.5, DecidedUSDPerHour: 4 * usd},
	} {
		got, err := c.othersOf(t.Context(), name, hour)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); err != nil || diff != "" {
			t.Errorf("pool %s: %v, the others take (-want +got):\n%s", name, err, diff)
		}
	}
}

// oneMemory is a decision log that remembers the same of every pool.
type oneMemory struct {
	platform.DecisionLog
	memory
	err error
}

func (o *oneMemory) Memory(context.Context, string) ([]byte, error) {
	raw, err := json.Marshal(o.memory)
	if err != nil {
		return nil, err
	}
	packed, err := pack(raw)
	return packed, errors.Join(err, o.err)
}

// What another controller decided is read when the lease comes back, and what cannot be read
// is not taken for nothing.
func TestTheOtherPoolsOfAnotherControllersTicks(t *testing.T) {
	_, catalogue := profilestest.Loaded(t)
	log := &oneMemory{}
	c := New(Options{Catalogue: catalogue, DecisionLog: log, Pools: []Pool{{Name: "a", InstanceType: "c5.large"}, {Name: "b", InstanceType: "c5.large"}}})
	in, _ := catalogue.Instance("c5.large")
	for _, step := range []struct {
		name    string
		token   int64
		inLog   int // workers
		want    int
		log     error
		unknown bool
	}{
		{name: "the first tick", token: 1, inLog: 2, want: 2},
		{name: "the lease has not changed hands", token: 1, inLog: 8, want: 2},
		{name: "another controller had the lease", token: 3, inLog: 8, want: 8},
		{name: "the log cannot be read", token: 5, log: errors.New("refused"), unknown: true},
		{name: "it can be read again", token: 5, inLog: 4, want: 4},
	} {
		log.Rules.To, log.err = step.inLog, step.log
		c.noteLease(platform.Lease{Token: step.token})
		got, err := c.othersOf(t.Context(), "a", time.Now())
		if step.unknown {
			if err == nil {
				t.Errorf("%s: the others are %+v", step.name, got)
			}
			continue
		}
		if want := float64(step.want) * in.USDPerHour; err != nil || len(got.WantedUSDPerHour) != 1 || math.Abs(got.WantedUSDPerHour[0]-want) > 1e-9 {
			t.Errorf("%s: the others are %+v (%v), want $%v per hour", step.name, got, err, want)
		}
	}
}
