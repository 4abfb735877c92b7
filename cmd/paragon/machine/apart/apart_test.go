package apart_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine/apart"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// serves is the argument with which this test's program simulates.
const serves = "serve-savings"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serves {
		if err := apart.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A simulation in another process comes to what it comes to in this one.
func TestPlayedApartIsThePlayedHere(t *testing.T) {
	program := apart.Program{os.Args[0], serves}
	s := savings.Stage{Catalogue: profilestest.Shipped(t), InstanceType: "c5.large", Arch: "x86_64", Settings: settings.Defaults(), KeepAlive: 10 * time.Minute, AsDeployed: simulate.AsDeployed{GroupMax: 10}}
	from := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	asked := query.Record{Class: query.Strict, Model: "cnn", AcceptedAt: from, DeadlineAt: from.Add(time.Second)}
	busy := savings.Period{From: from, To: from.Add(time.Hour), Cost: time.Hour, CostUSD: 0.2, Samples: []query.Record{asked},
		Load: recorded.Load{From: from.Add(-20 * time.Minute), StrictShare: 1, Trace: arrivals.Trace{Step: time.Minute, Counts: slices.Repeat([]float64{20}, 30)}}}
	idle, unasked := busy, busy
	idle.Load.Trace.Counts = make([]float64, len(busy.Load.Trace.Counts))
	unasked.Samples = nil
	for name, p := range map[string]savings.Period{"busy": busy, "idle": idle, "without samples": unasked} {
		_, err := savings.Measure(t.Context(), s, p, func(ctx context.Context, c comparison.Case, _ []procurement.Scheme) ([]comparison.Ran, error) {
			apart, err := program.Play(ctx, c, rivals.Schemes())
			if err != nil {
				return nil, err
			}
			here, err := comparison.Play(ctx, c, rivals.Schemes(), nil)
			if err != nil || !reflect.DeepEqual(apart, here) || len(here) < 5 {
				t.Errorf("%s: apart %+v\nhere %+v, error %v", name, apart, here, err)
			}
			return here, err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// unknown is a scheme that no program has.
type unknown struct{ procurement.Scheme }

func (unknown) Name() string { return "unknown" }

// What fails in the other process, and the end of the process, are errors.
func TestPlayedApartFails(t *testing.T) {
	c := comparison.Case{Market: simulate.Market{Catalogue: profilestest.Shipped(t), InstanceType: "none"}}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx     context.Context
		program apart.Program
		schemes []procurement.Scheme
		want    string
	}{
		"no such scheme":       {t.Context(), apart.Program{os.Args[0], serves}, []procurement.Scheme{unknown{}}, `scheme "unknown" is none of`},
		"the case is invalid":  {t.Context(), apart.Program{os.Args[0], serves}, rivals.Schemes(), "none"},
		"no such program":      {t.Context(), apart.Program{"/nowhere"}, nil, "no such file"},
		"a program that fails": {t.Context(), apart.Program{"false"}, nil, "exit status 1"},
		"one without a result": {t.Context(), apart.Program{"true"}, nil, "read the result of the simulation"},
		"the end of the run":   {ended, apart.Program{os.Args[0], serves}, nil, "canceled"},
	} {
		if _, err := tc.program.Play(tc.ctx, c, tc.schemes); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
}
