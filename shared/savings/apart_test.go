package savings_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// serves is the argument with which this test's program simulates.
const serves = "serve-savings"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serves {
		if err := savings.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A simulation in another process comes to what it comes to in this one.
func TestPlayedApartIsThePlayedHere(t *testing.T) {
	program := savings.Program{os.Args[0], serves}
	s, busy := stage(t)
	busy.Load.Trace.Counts = busy.Load.Trace.Counts[:40]
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
		program savings.Program
		schemes []procurement.Scheme
		want    string
	}{
		"no such scheme":       {t.Context(), savings.Program{os.Args[0], serves}, []procurement.Scheme{unknown{}}, `scheme "unknown" is none of`},
		"the case is invalid":  {t.Context(), savings.Program{os.Args[0], serves}, rivals.Schemes(), "none"},
		"no such program":      {t.Context(), savings.Program{"/nowhere"}, nil, "no such file"},
		"a program that fails": {t.Context(), savings.Program{"false"}, nil, "exit status 1"},
		"one without a result": {t.Context(), savings.Program{"true"}, nil, "read what was simulated"},
		"the end of the run":   {ended, savings.Program{os.Args[0], serves}, nil, "canceled"},
	} {
		if _, err := tc.program.Play(tc.ctx, c, tc.schemes); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
}
