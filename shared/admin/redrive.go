package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Where dead letters are put when it is said: on the overflow queue, or on the
// work queue of their class.
const (
	OnOverflow = "overflow"
	OnWork     = "work"
)

const (
	// holdLetters is how long a dead letter is held while it is looked at. One
	// that is kept comes again after it.
	holdLetters = 30 * time.Second
	perReceive  = 10 // a queue hands out no more at once
)

// DeadLetters lists up to limit dead letters and what Redrive would make of
// each, and leaves them where they are. ErrBadQueue.
func (d *Service) DeadLetters(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	held, known := []platform.Delivery{}, map[string]bool{}
	out, err := d.each(ctx, queue, limit, func(l *letter) error {
		held = append(held, l.Delivery)
		if known[l.Message.ID] {
			return errAgain
		}
		known[l.Message.ID] = true
		return nil
	})
	for _, h := range held {
		if e := d.Backend.Queues.Extend(ctx, h, 0); e != nil && !errors.Is(e, platform.ErrLeaseLost) {
			err = errors.Join(err, fmt.Errorf("return dead letter %s to its queue: %w", h.Message.ID, e))
		}
	}
	out.Waiting = max(0, out.Waiting+len(out.Letters)) // it was counted while they were held
	return out, err
}

// Redrive puts up to limit dead letters back. A query ends once, so that one
// that has failed or expired stays as it is, and its input is asked again as
// another query of the same owner, with as much time as the first one had. Put
// back twice, it is asked once. One that never ended has failed with this.
// ErrBadQueue.
func (d *Service) Redrive(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	st, err := d.Tuned(ctx)
	if err != nil {
		return api.DeadLetters{}, err
	}
	keys, err := d.Keys(ctx)
	if err != nil {
		return api.DeadLetters{}, fmt.Errorf("read the keys that sign query ids: %w", err)
	}
	keep := time.Duration(st.Settings.IdempotencyHours * float64(time.Hour))
	return d.each(ctx, queue, limit, func(l *letter) error {
		if l.Outcome == api.Resubmitted {
			return d.resubmit(ctx, l, keys, keep)
		}
		return d.Backend.Queues.Delete(ctx, l.Delivery)
	})
}

// letter is a dead letter in hand.
type letter struct {
	api.DeadLetter
	platform.Delivery
}

// errAgain says that a letter was listed already: a long look outlasts what it holds.
var errAgain = errors.New("it comes again")

// each takes dead letters up, one after another, and does something with each,
// until there are none, or none that it has not listed.
func (d *Service) each(ctx context.Context, queue string, limit int, do func(*letter) error) (api.DeadLetters, error) {
	out := api.DeadLetters{Letters: []api.DeadLetter{}}
	if queue != "" && queue != OnOverflow && queue != OnWork {
		return out, fmt.Errorf("%w: %.64q is neither %s nor %s", ErrBadQueue, queue, OnOverflow, OnWork)
	}
	for len(out.Letters) < limit {
		ds, err := d.Backend.Queues.Receive(ctx, platform.DeadLetters, min(perReceive, limit-len(out.Letters)), holdLetters, d.PollWait)
		if err != nil {
			return out, fmt.Errorf("receive dead letters: %w", err)
		}
		before := len(out.Letters)
		for _, del := range ds {
			l, err := d.read(ctx, del, queue)
			if err == nil {
				err = do(l)
			}
			switch {
			case err == nil:
				out.Letters = append(out.Letters, l.DeadLetter)
			case !errors.Is(err, errAgain):
				return out, fmt.Errorf("dead letter %s: %w", del.Message.ID, err)
			}
		}
		if len(out.Letters) == before {
			break
		}
	}
	depth, err := d.Backend.Queues.Depth(ctx, platform.DeadLetters)
	out.Waiting = depth.Visible
	return out, err
}

// read finds out what is to become of a dead letter.
func (d *Service) read(ctx context.Context, del platform.Delivery, queue string) (*letter, error) {
	m := del.Message
	l := &letter{Delivery: del, DeadLetter: api.DeadLetter{ID: m.ID, Task: m.Task, Model: m.Model, Class: m.Class, AcceptedAt: m.AcceptedAt}}
	r, err := d.Backend.Records.GetRecord(ctx, m.ID)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return nil, err
	}
	l.decide(r, err == nil, d.place(m, queue))
	if err != nil && !m.ForgetAt.IsZero() && d.Now().After(m.ForgetAt) {
		l.Why = "its record was deleted after its retention time"
	}
	return l, nil
}

// decide says what becomes of a letter whose query has a record, or none.
func (l *letter) decide(r query.Record, found bool, to platform.QueueName) {
	l.State, l.Outcome, l.DeadLetter.Queue = r.State, api.Resubmitted, string(to)
	switch {
	case !found:
		l.Why = "its message was received too often, and no result of the query was stored"
	case r.State == query.Failed, r.State == query.Expired:
		l.Why = ended(r)
	default:
		l.Outcome, l.DeadLetter.Queue, l.Why = api.Dropped, "", ended(r)
	}
}

// ended reports how a query ended.
func ended(r query.Record) string {
	if r.Outcome == nil || r.Outcome.Failure == nil {
		return string(r.State)
	}
	return fmt.Sprintf("%s: %s", r.Outcome.Failure.Code, r.Outcome.Failure.Detail)
}

// place says where a query is put: where it is said, else a strict one on the
// overflow queue, as functions are always there, and a relaxed one on the work
// queue of its pool.
func (d *Service) place(m query.Message, queue string) platform.QueueName {
	if queue == OnOverflow || queue == "" && m.Class == query.Strict {
		return platform.Overflow
	}
	for _, pool := range d.Pools {
		if work := platform.WorkQueue(pool, m.Class); len(m.Trail) > 0 && m.Trail[0].Where == string(work) {
			return work
		}
	}
	return platform.WorkQueue(d.Pools[0], m.Class)
}
