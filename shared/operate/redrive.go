package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"paragon/shared/api"
	"paragon/shared/cloud"
	"paragon/shared/core/query"
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

// DeadLetters tells up to limit dead letters and what Redrive would make of
// each, and leaves them where they are. ErrBadQueue.
func (d *Desk) DeadLetters(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	held, known := []cloud.Delivery{}, map[string]bool{}
	out, err := d.each(ctx, queue, limit, func(l *letter) error {
		held = append(held, l.Delivery)
		if known[l.Message.ID] {
			return errAgain
		}
		known[l.Message.ID] = true
		return nil
	})
	for _, h := range held {
		if e := d.Home.Queues.Extend(ctx, h, 0); e != nil && !errors.Is(e, cloud.ErrLeaseLost) {
			err = errors.Join(err, fmt.Errorf("give dead letter %s back: %w", h.Message.ID, e))
		}
	}
	out.Waiting = max(0, out.Waiting+len(out.Letters)) // it was counted while they were held
	return out, err
}

// Redrive puts up to limit dead letters back. A query ends once, so that one
// that has failed or expired stays as it is, and its input is asked again as
// another query of the same owner, whose id follows from the first one's: put
// back twice, it is asked once. One that was never ended goes on where it
// stopped, with its attempts forgotten. ErrBadQueue.
func (d *Desk) Redrive(ctx context.Context, queue string, limit int) (api.DeadLetters, error) {
	st, err := d.Tuned(ctx)
	if err != nil {
		return api.DeadLetters{}, err
	}
	keep := time.Duration(st.Settings.IdempotencyHours * float64(time.Hour))
	return d.each(ctx, queue, limit, func(l *letter) error {
		switch l.Fate {
		case api.Rerun:
			return d.rerun(ctx, l, keep)
		case api.Resumed:
			return d.resume(ctx, l)
		case api.Dropped:
			return d.Home.Queues.Delete(ctx, l.Delivery)
		}
		return nil
	})
}

// letter is a dead letter in hand.
type letter struct {
	api.DeadLetter
	cloud.Delivery
	record query.Record // zero when it is forgotten
	rerun  query.Record // that asks again; zero when none does yet
}

// errAgain says that a letter was told already: a long look outlasts what it holds.
var errAgain = errors.New("it comes again")

// each takes dead letters up, one after another, and does something with each,
// until there are none, or none that it has not told.
func (d *Desk) each(ctx context.Context, queue string, limit int, do func(*letter) error) (api.DeadLetters, error) {
	out := api.DeadLetters{Letters: []api.DeadLetter{}}
	if queue != "" && queue != OnOverflow && queue != OnWork {
		return out, fmt.Errorf("%w: %.64q is neither %s nor %s", ErrBadQueue, queue, OnOverflow, OnWork)
	}
	for len(out.Letters) < limit {
		ds, err := d.Home.Queues.Receive(ctx, cloud.DeadLetters, min(perReceive, limit-len(out.Letters)), holdLetters, d.Look)
		if err != nil {
			return out, fmt.Errorf("take dead letters up: %w", err)
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
	depth, err := d.Home.Queues.Depth(ctx, cloud.DeadLetters)
	out.Waiting = depth.Visible
	return out, err
}

// read finds out what is to become of a dead letter.
func (d *Desk) read(ctx context.Context, del cloud.Delivery, queue string) (*letter, error) {
	m := del.Message
	l := &letter{Delivery: del, DeadLetter: api.DeadLetter{ID: m.ID, Task: m.Task, Model: m.Model, Class: m.Class, AcceptedAt: m.AcceptedAt}}
	r, err := d.Home.Store.Get(ctx, m.ID)
	if err != nil && !errors.Is(err, cloud.ErrNotFound) {
		return nil, err
	}
	l.record, l.State = r, r.State
	switch {
	case err != nil:
		l.Fate, l.Why = api.Rerun, "its record is forgotten"
	case r.State == query.Failed, r.State == query.Expired:
		l.Fate, l.Why = api.Rerun, ended(r)
	case r.State.Terminal():
		l.Fate, l.Why = api.Dropped, ended(r)
	case d.Now().After(r.ExpiresAt):
		l.Fate, l.Why = api.Kept, "it has expired, and the next sweep ends it"
	default:
		l.Fate, l.Why = api.Resumed, "its message was taken too often and never ended"
	}
	if l.Fate == api.Rerun {
		if err := d.follow(ctx, l); err != nil {
			return nil, err
		}
	}
	if l.Fate == api.Rerun || l.Fate == api.Resumed {
		l.DeadLetter.Queue = cmp.Or(l.rerun.Placement, string(d.place(m, queue)))
	}
	return l, nil
}

// follow finds which query asks again for what a letter asked. One that did and
// expired gives way to another: whoever asked may have died before its message
// was sent, and nobody else has the input.
func (d *Desk) follow(ctx context.Context, l *letter) error {
	for l.As = query.RedrivenID(l.Message.ID); ; l.As = query.RedrivenID(l.As) {
		r, err := d.Home.Store.Get(ctx, l.As)
		switch {
		case errors.Is(err, cloud.ErrNotFound):
			return nil
		case err != nil:
			return err
		case r.State == query.Expired:
			continue
		case !r.State.Terminal() && d.Now().After(r.ExpiresAt):
			l.Fate, l.Why, l.As = api.Kept, "query "+r.ID+", which asks again, has expired, and the next sweep ends it", ""
		default:
			l.rerun = r
		}
		return nil
	}
}

// ended tells how a query ended.
func ended(r query.Record) string {
	if r.Outcome == nil || r.Outcome.Failure == nil {
		return string(r.State)
	}
	return fmt.Sprintf("%s: %s", r.Outcome.Failure.Code, r.Outcome.Failure.Detail)
}

// place says where a query is put: where it is said, else a strict one on the
// overflow queue, as functions are always there, and a relaxed one on the work
// queue of its pool.
func (d *Desk) place(m query.Message, queue string) cloud.QueueName {
	if queue == OnOverflow || queue == "" && m.Class == query.Strict {
		return cloud.Overflow
	}
	for _, pool := range d.Pools {
		if work := cloud.WorkQueue(pool, m.Class); len(m.Trail) > 0 && m.Trail[0].Where == string(work) {
			return work
		}
	}
	return cloud.WorkQueue(d.Pools[0], m.Class)
}

// step tells that a person put a query back.
func (d *Desk) step(l *letter, why string) query.Step {
	return query.Step{At: d.Now(), Event: query.StepRedriven, Where: l.DeadLetter.Queue, Why: why}
}

// resume puts the message of an unfinished query on a queue again.
func (d *Desk) resume(ctx context.Context, l *letter) error {
	m := l.Message
	m.Attempts, m.Pinned = 0, false
	m.Trail = m.Trail.Add(d.step(l, l.Why))
	return d.Home.Queues.Move(ctx, l.Delivery, cloud.QueueName(l.DeadLetter.Queue), m)
}

// rerun asks a query's input again as another query, and then deletes the dead
// letter. Should the process die in between, the repeat finds that query by its
// id; where it waits for its message still, accepting it again sends that.
func (d *Desk) rerun(ctx context.Context, l *letter, keep time.Duration) error {
	r := l.rerun
	if r.ID == "" {
		r = d.again(l, keep)
	}
	if !r.State.Terminal() {
		if _, _, err := d.Home.Store.Accept(ctx, r, cloud.QueueName(r.Placement), r.Message(l.Message.Input)); err != nil {
			return err
		}
	}
	return d.Home.Queues.Delete(ctx, l.Delivery)
}

// again is the query that asks once more for what a dead letter asked, with as
// much time for it.
func (d *Desk) again(l *letter, keep time.Duration) query.Record {
	m, now := l.Message, d.Now()
	bound := m.DeadlineAt.Sub(m.AcceptedAt)
	need := l.record.Need
	if need.Task == "" {
		need = query.Need{Task: m.Task, Class: m.Class, Constraints: query.Constraints{LatencyMS: query.Milliseconds(bound)}}
	}
	expires := query.ExpiresAt(now, query.Milliseconds(bound))
	return query.Record{
		ID: l.As, Owner: m.Owner, State: query.Placed, Need: need, Model: m.Model, Class: m.Class,
		AcceptedAt: now, DeadlineAt: now.Add(bound), ExpiresAt: expires, ForgetAt: expires.Add(keep),
		Placement: l.DeadLetter.Queue, PredictedMS: l.record.PredictedMS, Choice: cmp.Or(l.record.Choice, "as query "+m.ID+" asked, whose record is forgotten"),
		Trail: query.Trail{}.Add(d.step(l, "query "+m.ID+" ended without an answer: "+l.Why)),
	}
}
