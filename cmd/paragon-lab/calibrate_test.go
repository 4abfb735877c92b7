package main

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/core/calibration"
)

func TestThreeTracesAreMadeUp(t *testing.T) {
	f := calibrateFlags{demoFlags: demoFlags{rate: 5, length: time.Hour}}
	traces, err := f.toPlay()
	if err != nil {
		t.Fatal(err)
	}
	means := map[string]float64{}
	for _, k := range traces {
		means[k.name] = k.trace.Total() / k.trace.Duration().Seconds()
	}
	for name, want := range map[string]float64{"flash crowd": 5 * (1 + 9*18./60), "day": 12.5, "rush hours": 12.5} {
		if math.Abs(means[name]-want) > 0.1 {
			t.Errorf("%s has %v queries a second in the mean, want %v", name, means[name], want)
		}
	}
}

// The table is printed, and the exit says whether the simulation is of any use.
func TestACalibrationIsReported(t *testing.T) {
	folder := t.TempDir()
	for percent, want := range map[float64]string{1.5: "±1.5 %", 80: "no savings are quoted: on 2 traces"} {
		kept := calibration.Report{At: time.Unix(0, 0), Version: machine.Version, Scheme: "paragon", Runs: []calibration.Run{
			{Trace: "day", CostErrorPercent: 1, WorkersErrorPercent: 1},
			{Trace: "crowd", CostErrorPercent: percent, WorkersErrorPercent: 1, WorkersMean: 4, StrictMissedPercent: 0.25}}}
		if err := machine.StoreCalibration(folder, kept); err != nil {
			t.Fatal(err)
		}
		term := newTerminal(t, http.NotFoundHandler())
		err := printVerdict(term.Terminal, nil, kept, machine.JudgeCalibration(folder, nil, calibration.Subject{Schemes: []string{"paragon"}}))
		printed := term.Out.String()
		if err != nil {
			printed += err.Error()
		}
		if (err != nil) != (percent > 5) || !strings.Contains(printed, want) || !strings.Contains(printed, "crowd") || !strings.Contains(printed, "0.25 %") {
			t.Errorf("off by %v %%: error %v\n%s", percent, err, printed)
		}
	}
}
