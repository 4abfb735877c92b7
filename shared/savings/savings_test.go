package savings_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// stage is one on c5.large with the shipped models, and period two hours of it with a
// warm-up, in which the bound and the model of all queries are known.
func stage(t *testing.T) (savings.Stage, savings.Period) {
	t.Helper()
	s := savings.Stage{Catalogue: profilestest.Shipped(t), InstanceType: "c5.large", Arch: "x86_64", Settings: settings.Defaults(), KeepAlive: 10 * time.Minute, AsDeployed: simulate.AsDeployed{GroupMax: 10}}
	asked := query.Record{Class: query.Strict, Model: "cnn", AcceptedAt: noon, DeadlineAt: noon.Add(time.Second)}
	return s, savings.Period{From: noon, To: noon.Add(2 * time.Hour), Cost: 2 * time.Hour, CostUSD: 0.2, PlainHoursUSD: []float64{0.1}, Samples: []query.Record{asked},
		Load: recorded.Load{From: noon.Add(-20 * time.Minute), StrictShare: 1, Trace: arrivals.Trace{Step: time.Minute, Counts: slices.Repeat([]float64{60}, 140)}}}
}

func play(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
	return comparison.Play(ctx, c, schemes, nil)
}

// of judges a stage in an account.
func of(past *calibration.Past, of calibration.Subject) calibration.Verdict {
	of.Version = calibration.Shipped.Version
	return calibration.Judge(calibration.Evidence{Past: past}, of)
}

// A stage that cost what its own simulation costs is compared within the error of the
// recorded runs; one that cost a tenth more within the error of its own past.
func TestTheOwnPastIsTheMeasure(t *testing.T) {
	s, p := stage(t)
	past, err := savings.Measure(t.Context(), s, p, play)
	if err != nil || !(past.SimulatedUSD > 0) || past.Scheme != s.Settings.Scheme || past.Catalogue != "fashion" {
		t.Fatalf("%+v, error %v", past, err)
	}
	for times, want := range map[float64]float64{1: 2 * 5.4, 1.1: 2 * 100 * (1 - 1/1.1)} {
		p.CostUSD = times * past.SimulatedUSD
		got, err := savings.Compare(t.Context(), s, p, of, play)
		if err != nil || !got.Quoted || math.Abs(got.ErrorPercent-want) > 1e-6 || got.CostUSD != p.CostUSD || !got.From.Equal(noon) || !got.To.Equal(p.To) {
			t.Fatalf("%v times the simulation: %+v, error %v, want ±%v %%", times, got, err, want)
		}
		plain := 0
		for _, o := range got.Others {
			if low, high := got.Interval(o.CostUSD); o.Scheme == s.Settings.Scheme || o.Simulated && (o.LowUSD != low || o.HighUSD != high || o.MissedPercent == nil) {
				t.Errorf("%+v", o)
			}
			if !o.Simulated {
				plain++
			}
		}
		if schemes, _ := s.Compared(); plain != 1 || len(got.Others) != len(schemes)+1 {
			t.Errorf("compared with %+v", got.Others)
		}
	}
	p.CostUSD = 2 * past.SimulatedUSD
	if got, err := savings.Compare(t.Context(), s, p, of, play); err != nil || got.Quoted || len(got.Others) > 0 || !strings.Contains(got.Why, "-50.0 % in cost") {
		t.Errorf("at twice the simulation: %+v, error %v", got, err)
	}
}

// A plain function is called cheaper by the whole bill: what workers and functions cost, and
// what a stage pays by the month.
func TestAPlainFunctionIsComparedWithTheWholeBill(t *testing.T) {
	s, p := stage(t)
	same := func(_ context.Context, _ comparison.Case, schemes []procurement.Scheme) (rows []comparison.Ran, err error) {
		for _, scheme := range schemes {
			rows = append(rows, comparison.Ran{Row: comparison.Row{Scheme: scheme.Name(), CostUSD: p.CostUSD}})
		}
		return rows, nil
	}
	fixed := pricing.LeastFixedUSD(s.Catalogue.Prices, s.Settings.TickSeconds, s.Settings.ViewSeconds, p.To.Sub(p.From).Seconds())
	for name, tc := range map[string]struct {
		plainUSD float64
		cheaper  bool
	}{
		"than workers and functions":                       {0.9 * p.CostUSD, true},
		"than these and the machinery, but not than these": {p.CostUSD + 0.9*fixed, true},
		"nor than workers, functions and the machinery":    {p.CostUSD + 1.1*fixed, false},
	} {
		p.PlainHoursUSD = []float64{tc.plainUSD}
		got, err := savings.Compare(t.Context(), s, p, of, same)
		if err != nil || !(fixed > 0) || got.FixedUSD != fixed || strings.Contains(got.Next, "a plain function would be cheaper") != tc.cheaper {
			t.Errorf("cheaper %s: fixed %v, error %v: %s", name, got.FixedUSD, err, got.Next)
		}
	}
}

// Where the past has no error, it says so, and nothing is simulated for it.
func TestAPastWithoutAnError(t *testing.T) {
	never := func(context.Context, comparison.Case, []procurement.Scheme) ([]comparison.Ran, error) {
		return nil, errors.New("it is simulated")
	}
	for says, change := range map[string]func(*savings.Stage, *savings.Period){
		"less than 1 h":               func(_ *savings.Stage, p *savings.Period) { p.Cost = 59 * time.Minute },
		"too short":                   func(_ *savings.Stage, p *savings.Period) { p.Load = recorded.Load{} },
		"the setting fleet is fixed":  func(s *savings.Stage, _ *savings.Period) { s.Settings.Fleet = settings.FleetFixed },
		"on 2026-05-01T13:00:00Z, wi": func(_ *savings.Stage, p *savings.Period) { p.Changed = noon.Add(time.Hour) },
	} {
		s, p := stage(t)
		change(&s, &p)
		if got, err := savings.Compare(t.Context(), s, p, of, never); err != nil || got.Quoted || !strings.Contains(got.Why, says) {
			t.Errorf("want %q: %+v, error %v", says, got, err)
		}
	}
}

// The bounds and the models of sampled queries are what is simulated; samples of other
// models, or that no way keeps, are left out.
func TestSamplesAreWhatIsAsked(t *testing.T) {
	s, p := stage(t)
	p.Samples = append(p.Samples, query.Record{Class: query.Strict, Model: "gone", AcceptedAt: noon, DeadlineAt: noon.Add(time.Second)},
		query.Record{Class: query.Relaxed, Model: "mlp", AcceptedAt: noon, DeadlineAt: noon.Add(time.Millisecond)})
	seen := false
	_, err := savings.Measure(t.Context(), s, p, func(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
		seen = len(c.Asks) == 1 && c.Asks[0].Strict && c.Asks[0].BoundMS == 1000 && c.Market.Models[c.Asks[0].Served[0].Model] == "cnn" && c.From == 20*time.Minute && c.Warmup == c.From
		return play(ctx, c, schemes)
	})
	if err != nil || !seen {
		t.Errorf("seen %v, error %v", seen, err)
	}
}

type changes map[string]time.Time

func (c changes) Changes(_ context.Context, name string, _ int) ([]platform.Change, error) {
	if at, ok := c[name]; ok {
		return []platform.Change{{Name: name, At: at}}, nil
	}
	return nil, nil
}

func TestChangesWithinTheTime(t *testing.T) {
	for want, c := range map[time.Time]changes{
		{}: {"scheme": noon, "max_workers": noon.Add(time.Hour)}, noon.Add(time.Hour): {"scheme": noon.Add(time.Minute), "fleet": noon.Add(time.Hour)},
	} {
		if got, err := savings.ChangedAfter(t.Context(), c, noon); err != nil || !got.Equal(want) {
			t.Errorf("%v: %v, error %v", c, got, err)
		}
	}
}
