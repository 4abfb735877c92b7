package intake

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

const (
	// keptBatches of keptBatch messages of a class are read at a time, at most.
	keptBatches = 10
	keptBatch   = 10
	// keptLease holds a message while it is read; it is moved or given back at once.
	keptLease = 15 * time.Second
	// keptSooner is how many views before its last moment a query is handed over: the
	// view that says that nobody is there is one old, and the next look comes with one.
	keptSooner = 2
)

// WorkQueues is what KeepQueues needs of the queues.
type WorkQueues interface {
	Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error)
	Release(ctx context.Context, ds ...platform.Delivery) error
	Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error
}

// KeepQueues keeps the deadlines of what waits on the work queues of a pool of which no
// worker is ready, until ctx ends: workers hand their queries over themselves, and there
// is none. What may overflow goes to the functions, at once where no worker is on its
// way, and else at the last moment at which a function keeps its bound. answers says
// whether some worker of a pool answers: frozen ones count as ready for a while yet.
func (s *Service) KeepQueues(ctx context.Context, queues WorkQueues, answers func(pool string) bool) {
	for settle.Sleep(ctx, query.Duration(1000*s.Settings().ViewSeconds)) == nil {
		s.keepQueues(ctx, queues, answers)
	}
}

// keepQueues hands over what is due now.
func (s *Service) keepQueues(ctx context.Context, queues WorkQueues, answers func(pool string) bool) {
	s.refreshView(ctx)
	set := s.Settings()
	for _, p := range s.fleet.current().Pools {
		if p.Workers > 0 && answers(p.Name) || set.MaxOverflowConcurrency == 0 || s.Arch == "" {
			continue
		}
		for class, may := range map[query.Class]bool{query.Strict: !p.NoStrictOverflow, query.Relaxed: p.RelaxedOverflow} {
			if !may {
				continue
			}
			if err := s.handOverStranded(ctx, queues, p, class, set); err != nil && ctx.Err() == nil {
				s.Log.Warn("queries that no worker serves could not be handed over", "pool", p.Name, "class", class, "error", err)
			}
		}
	}
}

// handOverStranded hands over what is due of one queue, and gives the rest back.
func (s *Service) handOverStranded(ctx context.Context, queues WorkQueues, p placement.Pool, class query.Class, set settings.Settings) error {
	from := platform.WorkQueue(p.Name, class)
	var kept []platform.Delivery
	defer func() {
		if len(kept) > 0 { // their leases end by themselves, should this fail
			_ = queues.Release(context.WithoutCancel(ctx), kept...)
		}
	}()
	for range keptBatches {
		ds, err := queues.Receive(ctx, from, keptBatch, keptLease, 0)
		if err != nil || len(ds) == 0 {
			return err
		}
		for i, d := range ds {
			if p.Booting > 0 && s.Now().Before(s.handOverAt(d.Message, p.InstanceType, set)) || !s.MayOverflow(ctx, d.Message) {
				kept = append(kept, d)
				continue
			}
			m := d.Message
			m.Attempts, m.Pinned = settle.Attempts(d), false
			m.Trail = m.Trail.Add(query.Step{At: s.Now(), Event: query.StepBounced, Where: string(from), Why: "no worker is there"})
			if err := queues.Move(ctx, d, platform.Overflow, m); err != nil {
				kept = append(kept, ds[i:]...)
				return err
			}
		}
	}
	return nil
}

// handOverAt is when a query leaves a pool whose workers are on their way: a strict one
// at once.
func (s *Service) handOverAt(m query.Message, instanceType string, set settings.Settings) time.Time {
	c := s.Catalogue.Current()
	p, ok := c.ModelDecoding(m.Model, m.Input.Decoding)
	if !ok || m.Class != query.Relaxed {
		return m.AcceptedAt
	}
	atMS, _, ok := sizing.LastMoments(c, p, s.Arch, instanceType, query.Milliseconds(m.DeadlineAt.Sub(m.AcceptedAt)),
		sizing.Paths{WorkerMS: set.PathMS, FunctionMS: set.OverflowPathMS, LookAheadMS: set.LookAheadMS + keptSooner*1000*set.ViewSeconds})
	if !ok {
		return m.AcceptedAt
	}
	return m.AcceptedAt.Add(query.Duration(atMS))
}
