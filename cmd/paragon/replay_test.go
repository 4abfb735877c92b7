package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// recordedAt is when the arrivals of homeWith are looked at.
var recordedAt = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// backendWith is the data folder of a backend that is open and has seen twelve
// queries a second for some seconds, a quarter of them strict.
func backendWith(t *testing.T, seconds int) string {
	t.Helper()
	folder := t.TempDir()
	backend, err := sqlite.Open(t.Context(), filepath.Join(folder, "paragon.db"), sqlite.Options{Now: func() time.Time { return recordedAt }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	var points []platform.Point
	for i := range seconds {
		at := recordedAt.Add(time.Duration(i-200) * time.Second)
		points = append(points,
			platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "strict"), At: at, Value: 3},
			platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "relaxed"), At: at, Value: 9})
	}
	if err := backend.Platform().Metrics.Put(t.Context(), points...); err != nil {
		t.Fatal(err)
	}
	return folder
}

// What a backend has seen is priced, while another process that owns it, with the
// measured share of strict queries.
func TestReplayPricesWhatWasSeen(t *testing.T) {
	folder, now := backendWith(t, 120), recordedAt
	term := newTerminal(t, http.NotFoundHandler())
	term.Now = func() time.Time { return now }
	calibrate(t, folder, 1.5)
	if code := term.Run(t.Context(), []string{"replay", "--data", folder, "--task", "fashion", "--since", "1h", "--json"}); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	var rows []comparison.Row
	if err := json.Unmarshal(term.Out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(rivals.Names()) || rows[0].Queries != 120*12 || rows[0].Settings.StrictShare != 0.25 {
		t.Errorf("%d rows, the first %+v", len(rows), rows[0])
	}
	for _, args := range [][]string{{"--task", "other"}, {"--task", "fashion", "--from", "2h", "--to", "1h"}} {
		term.Err.Reset()
		code := term.Run(t.Context(), append([]string{"replay", "--data", folder}, args...))
		if code != cli.ExitFailure || !strings.Contains(term.Err.String(), "no arrivals of task") {
			t.Errorf("%v: exit %d: %s", args, code, term.Err.String())
		}
	}
}

// calibrate keeps a calibration in a folder that is off by so much on one of its traces.
func calibrate(t *testing.T, folder string, percent float64) {
	t.Helper()
	r := calibration.Report{At: time.Unix(0, 0), Version: machine.Version, Scheme: "paragon", Catalogue: "cocktail2022", Runs: []calibration.Run{
		{Trace: "day", CostErrorPercent: 1, WorkersErrorPercent: 1}, {Trace: "crowd", CostErrorPercent: percent, WorkersErrorPercent: 1}}}
	if err := machine.StoreCalibration(folder, r); err != nil {
		t.Fatal(err)
	}
}

// Costs come with the error of the calibration, the shipped one at first.
func TestReplaySaysHowFarOffItMayBe(t *testing.T) {
	folder := backendWith(t, 120)
	replay := func(args ...string) (int, string, string) {
		term := newTerminal(t, http.NotFoundHandler())
		term.Now = func() time.Time { return recordedAt }
		code := term.Run(t.Context(), append([]string{"replay", "--data", folder, "--task", "fashion"}, args...))
		return code, term.Out.String(), term.Err.String()
	}
	for percent, says := range map[float64]string{-1: "±10.8 %", 6.8: "±13.6 %", 1.5: "±3.0 %"} {
		if percent > 0 {
			calibrate(t, folder, percent)
		} else if err := os.RemoveAll(filepath.Join(folder, "calibration.json")); err != nil {
			t.Fatal(err)
		}
		if code, _, fault := replay("--scheme", "paragon", "--catalogue", "cocktail2022"); code != cli.ExitOK || percent == 6.8 && !strings.Contains(fault, "±6.8 %") {
			t.Errorf("off by %v %% with what was calibrated: exit %d, %q", percent, code, fault)
		}
		if code, out, fault := replay(); code != cli.ExitOK || !strings.Contains(fault, says) || relative(t, out, "reactive") != "1.000" {
			t.Errorf("off by %v %%: exit %d, %q\n%s", percent, code, fault, out)
		}
	}
	calibrate(t, folder, 80)
	if code, out, fault := replay(); code != cli.ExitFailure || out != "" || !strings.Contains(fault, "80.0 % in cost") {
		t.Errorf("far off: exit %d, %q\n%s", code, fault, out)
	}
	if code, out, fault := replay("--uncalibrated"); code != cli.ExitOK || !strings.Contains(fault, "80.0 % in cost") || relative(t, out, "paragon") != "-" {
		t.Errorf("far off, anyway: exit %d, %q\n%s", code, fault, out)
	}
}

// relative is what a table says of a scheme's cost compared with reactive's.
func relative(t *testing.T, table, scheme string) string {
	t.Helper()
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 5 && f[2] == scheme {
			return f[5]
		}
	}
	t.Errorf("no %s in\n%s", scheme, table)
	return ""
}
