package calibration_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/calibration"
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

// as is what is simulated by a version, which is otherwise as it was calibrated.
func as(version string) calibration.Subject {
	return calibration.Subject{Version: version, Catalogue: "fashion", Schemes: []string{"paragon"}}
}

func TestHowFarOffCostsMayBe(t *testing.T) {
	again := report([2]float64{1, 1}, [2]float64{2, 1})
	again.Runs[1].Trace = again.Runs[0].Trace
	const shipped = 5.4 // the largest error of cost in the shipped runs
	for _, c := range []struct {
		name    string
		stored  *calibration.Report
		percent float64 // 0 where nothing is known
		says    string
	}{
		{"none", nil, 2 * shipped, "run `paragon-lab calibrate --data d`"},
		{"two traces", report([2]float64{2.9, -4.9}, [2]float64{-3.4, 1.4}), 3.4, "on 2 traces, calibrated on 2026-05-01 under paragon, the simulation was off by at most 3.4 % in cost and 4.9 % in mean workers"},
		{"cost off", report([2]float64{1, 1}, [2]float64{6.8, 1}), 6.8, "off by at most 6.8 % in cost"},
		{"hardly off", report([2]float64{0.1, 1}, [2]float64{0, 1}), 1, "±1.0 %"},
		{"not a number", report([2]float64{1, 1}, [2]float64{math.NaN(), 1}), 0, "while the machine does nothing else"},
		{"far off", report([2]float64{80, 1}, [2]float64{1, 1}), 0, "80.0 % in cost"},
		{"one trace", report([2]float64{1, 1}), shipped, "on at least 2 traces"},
		{"one trace that is further off", report([2]float64{7, 1}), 7, "on at least 2 traces"},
		{"one trace twice", again, shipped, "on at least 2 traces"},
		{"no run", report(), shipped, "on at least 2 traces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := calibration.Judge(calibration.Evidence{Stored: c.stored, Command: "paragon-lab calibrate --data d"}, as("1"))
			if v.Quoted != (c.percent > 0) || v.ErrorPercent != c.percent || !strings.Contains(v.String(), c.says) {
				t.Errorf("within %v, want %v with %q: %s", v.ErrorPercent, c.percent, c.says, v)
			}
		})
	}
}

// A run that was off by the error lies in the interval of its simulated cost.
func TestTheIntervalHoldsTheRun(t *testing.T) {
	v := calibration.Verdict{ErrorPercent: 5}
	for _, off := range []float64{-5, -2, 0, 3, 5} {
		real := 10.0
		if low, high := v.Interval(real * (1 + off/100)); low > real+1e-9 || high < real-1e-9 {
			t.Errorf("off by %v %%: $%v to $%v leaves out $%v", off, low, high, real)
		}
	}
}

func TestAnotherVersionCountsForNothing(t *testing.T) {
	v := calibration.Judge(calibration.Evidence{Stored: report([2]float64{1, 1}, [2]float64{1, 1}), Command: "c"}, as("2"))
	if v.ErrorPercent != 2*5.4 || !strings.Contains(v.Why, "with version 1 of Paragon, and this is version 2") {
		t.Errorf("%+v", v)
	}
}

// Runs of another scheme, catalogue or version say less: the margin is doubled, and the
// verdict names what differs.
func TestTheMarginIsDoubledWhereTheRunsDiffer(t *testing.T) {
	mine := report([2]float64{2, 1}, [2]float64{-3, 1})
	for _, c := range []struct {
		stored  *calibration.Report
		of      calibration.Subject
		percent float64
		says    []string
	}{
		{mine, as("1"), 3, nil},
		{mine, calibration.Subject{Version: "1", Catalogue: "fashion", Schemes: []string{"paragon", "reactive"}}, 6, []string{"scheme paragon", "doubled"}},
		{mine, calibration.Subject{Version: "1", Catalogue: "mail", Schemes: []string{"paragon"}}, 6, []string{"catalogue fashion", "doubled"}},
		{mine, calibration.Subject{Version: "1", Catalogue: "mail", Schemes: []string{"mixed"}}, 6, []string{"catalogue fashion, scheme paragon"}},
		{nil, as(calibration.Shipped.Version), 5.4, nil},
		{nil, as("another"), 2 * 5.4, []string{"version " + calibration.Shipped.Version, "doubled"}},
		{nil, calibration.Subject{Version: calibration.Shipped.Version, Catalogue: "fashion", Schemes: []string{"mixed"}}, 2 * 5.4, []string{"scheme paragon"}},
		{report([2]float64{30, 1}, [2]float64{1, 1}), calibration.Subject{Version: "1", Catalogue: "fashion", Schemes: []string{"mixed"}}, 0, []string{"30.0 % in cost", "doubled"}},
	} {
		v := calibration.Judge(calibration.Evidence{Stored: c.stored, Command: "c"}, c.of)
		if v.ErrorPercent != c.percent || v.Quoted != (c.percent > 0) || len(c.says) == 0 && strings.Contains(v.Why, "doubled") {
			t.Errorf("%+v: within %v, want %v: %s", c.of, v.ErrorPercent, c.percent, v)
		}
		for _, says := range c.says {
			if !strings.Contains(v.Why, says) {
				t.Errorf("%+v: %q is not in %q", c.of, says, v.Why)
			}
		}
	}
}

// The error of the stage's own past counts where it is the larger one, doubled as that of
// runs is. A past that is too short yields no error: then the runs of a machine count alone,
// and of a stage in an account nothing is quoted.
func TestTheLargerErrorOfRunsAndOwnPast(t *testing.T) {
	others := calibration.Subject{Version: calibration.Shipped.Version, Catalogue: "fashion", Schemes: []string{"mixed"}}
	past := func(hours, simulatedUSD float64) *calibration.Past {
		return &calibration.Past{Cost: time.Duration(hours * float64(time.Hour)), Scheme: "hedged", Catalogue: "fashion", CostUSD: 10, SimulatedUSD: simulatedUSD}
	}
	for _, c := range []struct {
		name    string
		command string // empty in an account
		past    *calibration.Past
		percent float64 // 0 where nothing is quoted
		says    string
	}{
		{"a machine without a past", "c", nil, 2 * 5.4, "to measure the error on this machine"},
		{"a machine with a short past", "c", past(0.9, 11), 2 * 5.4, "to measure the error on this machine"},
		{"a machine that is simulated well", "c", past(1, 10.1), 2 * 5.4, "off by +1.0 % in cost; that time had scheme hedged, which differs from this simulation, so the margin is doubled; the margin of error is the larger of these two errors, the first"},
		{"a machine that is not", "c", past(2, 9), 2 * 10, "for 2.0 h of this stage's own past under scheme hedged, the simulation was off by -10.0 %"},
		{"an account without a past", "", nil, 0, "too short"},
		{"an account with a short past", "", past(0.9, 11), 0, "less than 1 h"},
		{"an account that cost nothing", "", &calibration.Past{Cost: 2 * time.Hour, Scheme: "hedged"}, 0, "too short"},
		{"an account whose scheme changed", "", &calibration.Past{Cost: 2 * time.Hour, CostUSD: 10, SimulatedUSD: 10, Unknown: "the scheme changed"}, 0, "the scheme changed; compare another time"},
		{"an account that is simulated well", "", past(1, 10.1), 2 * 5.4, "in the 15 runs that ship with Paragon"},
		{"an account that is not", "", past(6, 11), 2 * 10, "the larger of these two errors, that of the stage's own past"},
		{"an account that is far off", "", past(6, 13), 0, "no savings are shown if the margin of error is 50 % or more"},
		{"no number", "", past(6, math.NaN()), 0, "no savings are shown if the margin of error is 50 % or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := calibration.Judge(calibration.Evidence{Command: c.command, Past: c.past}, others)
			if v.Quoted != (c.percent > 0) || math.Abs(v.ErrorPercent-c.percent) > 1e-9 || !strings.Contains(v.String(), c.says) {
				t.Errorf("within %v, want %v with %q: %s", v.ErrorPercent, c.percent, c.says, v)
			}
			if c.command == "" && strings.Contains(v.String(), "calibrate") {
				t.Errorf("in an account nothing can be calibrated: %s", v)
			}
		})
	}
}
