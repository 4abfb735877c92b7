package machine

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// pruneEvery is how often uploads and messages that nobody needs are deleted.
const pruneEvery = 10 * time.Minute

// startJobs starts what runs in this process: the dispatcher, the controller, the
// fleet view, the meter and the reading of settings.
func (m *Machine) startJobs(owner *sqlite.Backend) error {
	d, err := m.parts().Dispatcher(m.meter.paid, m.counts)
	if err != nil {
		return fmt.Errorf("start the dispatcher: %w", err)
	}
	m.dispatcher, m.meter.expired = d, d.Expired
	c := control.New(control.Options{
		Holder: "parent-" + ulid.Make().String(), Pools: []control.Pool{{Name: Pool, InstanceType: m.instance.Type}},
		Catalogue: m.store, Arch: inference.Arch(), Records: m.backend.Records, Fleet: m.backend.Fleet, Queues: m.backend.Queues,
		Metrics: m.backend.Metrics, Groups: m.backend.Groups, DecisionLog: m.backend.DecisionLog, Shared: m.backend.Shared,
		Answers: m.answers, Tuned: m.settings.State, Traces: m.traces.Tracing(), Now: time.Now, Log: m.log,
	})
	m.recorder = newRecorder(context.Background(), m, owner)
	m.dispatching(d.Pump, m.functions.Close)
	m.background(c.Run,
		func(ctx context.Context) { m.settings.Run(ctx, settings.RefreshEvery(settings.LocalReader)) },
		func(ctx context.Context) { m.meterFleet(ctx, owner) },
		m.updateSavings,
		func(ctx context.Context) { m.replaceHung(ctx, owner) },
		m.recorder.run,
		func(ctx context.Context) { m.keepSecrets(ctx, owner) },
		func(ctx context.Context) { m.prune(ctx, owner) })
	return nil
}

// answers says whether some worker answers requests: frozen ones count as ready for a
// while yet.
func (m *Machine) answers(string) bool {
	f := m.front.Load()
	return f == nil || f.answers()
}

// prune deletes uploads that expired, messages that nobody came for and records
// past their retention, at once and then from time to time.
func (m *Machine) prune(run context.Context, owner *sqlite.Backend) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for run.Err() == nil {
		if _, err := owner.PruneBlobs(run, time.Now()); err != nil && run.Err() == nil {
			m.log.Error("delete expired uploads", "error", err)
		}
		if _, err := owner.PruneMessages(run, time.Now()); err != nil && run.Err() == nil {
			m.log.Error("delete messages of ended queries and old dead letters", "error", err)
		}
		if _, err := owner.PruneRecords(run, time.Now()); err != nil && run.Err() == nil {
			m.log.Error("delete records past their retention time", "error", err)
		}
		if err := owner.PruneTimeline(run, time.Now()); err != nil && run.Err() == nil {
			m.log.Error("delete history past its retention time", "error", err)
		}
		m.forgetRetired()
		select {
		case <-run.Done():
		case <-tick.C:
		}
	}
}
