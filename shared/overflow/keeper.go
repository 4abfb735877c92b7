package overflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

const (
	// keptLease holds a message while it is read; it is moved or given back at once.
	keptLease = 30 * time.Second
	// keptSooner is how many views before its last moment a query is handed over: the
	// view that says that nobody is there is one old, and the next look comes with one.
	keptSooner = 2
)

// Queues is what a Keeper needs of the queues.
type Queues interface {
	Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error)
	Release(ctx context.Context, ds ...platform.Delivery) error
	Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error
}

// Keeper keeps the bounds of what waits on the work queues of a pool of which no worker
// answers: workers hand their queries over themselves, and there is none.
type Keeper struct {
	Queues Queues
	May    func(context.Context, query.Message) bool // as Charger's
	Now    func() time.Time
}

// HandOver moves what is due of a pool's work queues to the overflow queue, as far as
// the pool's rules and the stage's limits let it, and gives the rest back, uncounted.
// Where no worker is on its way everything is due; else strict queries are, and relaxed
// ones at the last moment at which a function keeps their bound. The classes are those
// of which something waits. It is for a pool of which no worker answers.
func (k Keeper) HandOver(ctx context.Context, p placement.Pool, r Rule, classes ...query.Class) error {
	if r.Arch == "" || r.Settings.MaxOverflowConcurrency == 0 {
		return nil
	}
	may := map[query.Class]bool{query.Strict: !p.NoStrictOverflow, query.Relaxed: p.RelaxedOverflow}
	var errs []error
	for _, class := range classes {
		if !may[class] {
			continue
		}
		if err := k.handOver(ctx, platform.WorkQueue(p.Name, class), p.Booting > 0, r); err != nil {
			errs = append(errs, fmt.Errorf("hand over the %s queries that no worker of pool %s takes: %w", class, p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// handOver hands over what is due of one queue.
func (k Keeper) handOver(ctx context.Context, from platform.QueueName, booting bool, r Rule) error {
	var kept []platform.Delivery
	defer func() {
		if len(kept) > 0 { // their leases end by themselves, should this fail
			_ = k.Queues.Release(context.WithoutCancel(ctx), kept...)
		}
	}()
	for range pricing.KeptBatches {
		ds, err := k.Queues.Receive(ctx, from, pricing.KeptBatch, keptLease, 0)
		if err != nil || len(ds) == 0 {
			return err
		}
		for i, d := range ds {
			if booting && k.Now().Before(r.overflowAt(d.Message)) || !k.May(ctx, d.Message) {
				kept = append(kept, d)
				continue
			}
			m := d.Message
			m.Attempts, m.Pinned = settle.Attempts(d), false
			m.Trail = m.Trail.Add(query.Step{At: k.Now(), Event: query.StepDeclined, Where: string(from), Why: "no worker is there"})
			err := k.Queues.Move(ctx, d, platform.Overflow, m)
			if err != nil && !errors.Is(err, platform.ErrLeaseLost) { // the process that holds it now decides
				kept = append(kept, ds[i:]...)
				return err
			}
		}
	}
	return nil
}

// overflowAt is when a query leaves a pool whose workers are on their way: a strict one at
// once, a relaxed one keptSooner views before sizing.RelaxedOverflowAt.
func (r Rule) overflowAt(m query.Message) time.Time {
	at, _, ok := r.RelaxedOverflowWindow(m)
	if !ok {
		return m.AcceptedAt
	}
	return at.Add(-query.Duration(keptSooner * 1000 * r.Settings.ViewSeconds))
}
