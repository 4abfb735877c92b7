package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// History reads the metrics of a backend while another process owns it, or
// without one. It changes nothing.
type History struct{ backend *Backend }

// ReadHistory opens the metrics in a backend's SQLite file. It fails when there is
// no such file.
func ReadHistory(ctx context.Context, path string) (*History, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read the data folder: %w", err)
	}
	db, err := openReaders(ctx, path)
	if err != nil {
		return nil, err
	}
	return &History{&Backend{readDB: db, reads: &statements{from: db}}}, nil
}

// Series is that of platform.Metrics.
func (h *History) Series(ctx context.Context, metric string, dimensions []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	return (&consumer{Backend: h.backend}).Series(ctx, metric, dimensions, from, to, period)
}

// Close closes the file.
func (h *History) Close() error {
	return errors.Join(h.backend.reads.close(), h.backend.readDB.Close())
}
