package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/core/calibration"
)

// calibrationFile lies next to the data file, so that it can be written while a
// server owns that one.
const calibrationFile = "calibration.json"

// mostCalibration bounds the file, in bytes.
const mostCalibration = 1 << 20

// StoreCalibration keeps a calibration as the state of the backend in a data
// folder, in place of the one before.
func StoreCalibration(dataDir string, r calibration.Report) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the calibration: %w", err)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := operator.WriteFile(filepath.Join(dataDir, calibrationFile), raw); err != nil {
		return fmt.Errorf("write the calibration: %w", err)
	}
	return nil
}

// JudgeCalibration says within which error simulated costs are known for the backend in a data
// folder, by its calibration and by its own past, which may be nil. A calibration that
// cannot be read vouches for nothing.
func JudgeCalibration(dataDir string, past *calibration.Past, of calibration.Subject) calibration.Verdict {
	of.Version = Version
	command := "paragon-lab calibrate --data " + dataDir
	stored, err := readCalibration(dataDir)
	if err != nil {
		return calibration.Verdict{Why: err.Error(), Next: "run `" + command + "` to replace it"}
	}
	return calibration.Judge(calibration.Evidence{Stored: stored, Command: command, Past: past}, of)
}

// readCalibration reads what is stored, and nil when nothing is.
func readCalibration(dataDir string) (*calibration.Report, error) {
	file, err := os.Open(filepath.Join(dataDir, calibrationFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the calibration: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, mostCalibration))
	if err != nil {
		return nil, fmt.Errorf("read the calibration: %w", err)
	}
	var r calibration.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read the calibration: %w", err)
	}
	return &r, nil
}
