package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/calibration"
)

func TestACalibrationIsKeptInTheDataFolder(t *testing.T) {
	dir, of := filepath.Join(t.TempDir(), "data"), calibration.Subject{Catalogue: "fashion", Schemes: []string{"paragon"}}
	if v := JudgeCalibration(dir, nil, of); v.ErrorPercent != 5.4 || !strings.Contains(v.Next, "paragon-lab calibrate --data "+dir) {
		t.Errorf("without one: %s", v)
	}
	off := calibration.Report{At: time.Unix(0, 0), Version: Version, Scheme: "paragon", Catalogue: "fashion", Runs: []calibration.Run{{Trace: "a", CostErrorPercent: 7}, {Trace: "b"}}}
	if err := StoreCalibration(dir, off); err != nil {
		t.Fatal(err)
	}
	if v := JudgeCalibration(dir, nil, of); v.ErrorPercent != 7 || !strings.Contains(v.Why, "7.0 % in cost") {
		t.Errorf("one that is off: %s", v)
	}
	off.Runs[0].CostErrorPercent = 2
	if err := StoreCalibration(dir, off); err != nil {
		t.Fatal(err)
	}
	if v := JudgeCalibration(dir, nil, of); v.ErrorPercent != 2 {
		t.Errorf("a good one: %s", v)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left in the folder: %v, error %v", names, err)
	}
	if err := os.WriteFile(filepath.Join(dir, calibrationFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := JudgeCalibration(dir, nil, of); v.Quoted || !strings.Contains(v.String(), "to replace it") {
		t.Errorf("half a file: %s", v)
	}
}
