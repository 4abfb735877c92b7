package platform

import (
	"context"

	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Reports takes the reports of processes. A Fleet does.
type Reports interface {
	Report(ctx context.Context, r WorkerReport) (Orders, error)
}

// ReportTallies reports what a process has counted that is no worker, under a
// name of its own.
func ReportTallies(ctx context.Context, to Reports, id string, t tally.Snapshot) error {
	_, err := to.Report(ctx, WorkerReport{ID: id, Pool: FunctionsPool, State: Ready, At: t.At, Tallies: t})
	return err
}
