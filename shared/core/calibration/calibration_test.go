package calibration_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"paragon/shared/core/calibration"
)

// report is a calibration by runs that were off by so much in cost and in
// workers, a trace each.
func report(errors ...[2]float64) *calibration.Report {
	r := &calibration.Report{At: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), Version: "1", Scheme: "paragon", Catalogue: "fashion"}
	for i, e := range errors {
		r.Runs = append(r.Runs, calibration.Run{Trace: string(rune('a' + i)), CostErrorPercent: e[0], WorkersErrorPercent: e[1]})
	}
	return r
}

func TestWhenSavingsAreQuoted(t *testing.T) {
	again := report([2]float64{1, 1}, [2]float64{1, 1})
	again.Runs[1].Trace = again.Runs[0].Trace
	for _, c := range []struct {
		name   string
		stored *calibration.Report
		quoted bool
		says   string
	}{
		{"none", nil, false, "run `paragon-lab calibrate --data d`"},
		{"close on two traces", report([2]float64{4.9, -4.9}, [2]float64{-0.4, 1.4}), true, "on 2 traces, calibrated on 2026-05-01 under paragon, the simulation was off by at most 4.9 % in cost and 4.9 % in mean workers"},
		{"cost off", report([2]float64{1, 1}, [2]float64{6.8, 1}), false, `on the trace "b" of 2026-05-01 the simulation was off by +6.8 % in cost and +1.0 % in mean workers`},
		{"cost off downwards", report([2]float64{-5, 1}, [2]float64{1, 1}), false, "-5.0 % in cost"},
		{"workers off", report([2]float64{1, 1}, [2]float64{1, 5}), false, "+5.0 % in mean workers"},
		{"not a number", report([2]float64{1, 1}, [2]float64{math.NaN(), 1}), false, "NaN % in cost"},
		{"one trace", report([2]float64{1, 1}), false, "1 of the 2 traces"},
		{"one trace twice", again, false, "1 of the 2 traces"},
		{"no run", report(), false, "0 of the 2 traces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := calibration.Judge(c.stored, "1", "paragon-lab calibrate --data d")
			if v.Quoted != c.quoted || !strings.Contains(v.String(), c.says) {
				t.Errorf("quoted %v, want %v with %q: %s", v.Quoted, c.quoted, c.says, v)
			}
			if v.Quoted == (v.Next != "") {
				t.Errorf("quoted %v, and next is %q", v.Quoted, v.Next)
			}
		})
	}
}

func TestAnotherVersionVouchesForNothing(t *testing.T) {
	v := calibration.Judge(report([2]float64{1, 1}, [2]float64{1, 1}), "2", "c")
	if v.Quoted || !strings.Contains(v.Why, "of version 1, and this is 2") {
		t.Errorf("%+v", v)
	}
}

func TestADeploymentIsNotVouchedFor(t *testing.T) {
	if v := calibration.Deployment(); v.Quoted || !strings.Contains(v.String(), "does not vouch for a deployment") {
		t.Errorf("%+v", v)
	}
}
