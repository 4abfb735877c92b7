package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local"
	"paragon/shared/evaluate"
	"paragon/shared/telemetry"
)

// What a home has seen is priced, beside the process that owns it, with the
// measured share of strict queries.
func TestReplayPricesWhatWasSeen(t *testing.T) {
	folder := t.TempDir()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	home, err := local.Open(t.Context(), filepath.Join(folder, "paragon.db"), local.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	var points []cloud.Point
	for i := range 120 {
		at := now.Add(time.Duration(i-200) * time.Second)
		points = append(points,
			cloud.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "strict"), At: at, Value: 3},
			cloud.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "relaxed"), At: at, Value: 9})
	}
	if err := home.Cloud().Metrics.Put(t.Context(), points...); err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, http.NotFoundHandler())
	term.now = func() time.Time { return now }
	if code := term.run(t.Context(), []string{"replay", "--data", folder, "--task", "fashion", "--since", "1h", "--json"}); code != exitOK {
		t.Fatalf("exit %d: %s", code, term.err.String())
	}
	var rows []evaluate.Row
	if err := json.Unmarshal(term.out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 7 || rows[0].Queries != 120*12 || rows[0].Settings.StrictShare != 0.25 {
		t.Errorf("%d rows, the first %+v", len(rows), rows[0])
	}
	if code := term.run(t.Context(), []string{"replay", "--data", folder, "--task", "other"}); code != exitFailure {
		t.Errorf("arrivals of another task were found: exit %d", code)
	}
}
