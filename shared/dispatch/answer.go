package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// answer takes a query of the overflow queue to its end, or back to the work
// queue. An error means that neither could be stored.
func (d *Dispatcher) answer(ctx context.Context, del platform.Delivery) error {
	v := d.invokeInTime(ctx, &del.Message, settle.Attempts(del))
	switch {
	case v.Outcome != nil:
		return d.finish(ctx, del, *v.Outcome)
	case ctx.Err() != nil:
		return fmt.Errorf("invoke functions: %w: %s", ctx.Err(), v.Why)
	}
	return d.fallBack(ctx, del, v)
}

// invokeInTime has functions answer a query in half of the time that is left until it
// expires. What they have not answered by then is in doubt.
func (d *Dispatcher) invokeInTime(ctx context.Context, msg *query.Message, attempts int) inference.Invoked {
	half := msg.HalfLeft(d.Now())
	inTime, cancel := context.WithTimeout(ctx, half)
	defer cancel()
	m := *msg
	m.Attempts = attempts
	v := d.Invoke(inTime, m)
	if served, is := d.Catalogue.Current().ServedInstead(m.Model); is && v.Unanswerable() {
		if v.BadInput {
			m.Refuser, msg.Refuser = m.Model, m.Model
		}
		m.Model, msg.Model = served, served
		v = d.Invoke(inTime, m).After(v)
	}
	if v.Thrown == inference.InDoubt && inTime.Err() != nil {
		v.Why = fmt.Sprintf("no function has answered within %v, half of the time until the query expires", half.Round(time.Second))
	}
	return v
}

// fallBack puts a query on its work queue, from which it may not be handed over
// again: functions threw it back.
func (d *Dispatcher) fallBack(ctx context.Context, del platform.Delivery, v inference.Invoked) error {
	to := platform.WorkQueue(d.Pool, del.Message.Class)
	step := query.Step{At: d.Now(), Event: query.StepReturned, Where: string(to), Why: v.Why}
	ctx, span := d.Traces.Child(ctx, "fall back")
	defer span.End()
	if carried := d.Traces.Carry(ctx); carried != "" {
		del.Message.Trace = carried
	}
	return d.settler.Pin(ctx, del, to, v.Attempts, step)
}

// finish stores how a query ended and ends its message.
func (d *Dispatcher) finish(ctx context.Context, del platform.Delivery, o query.Outcome) error {
	ctx, span := d.Traces.Child(ctx, "finish")
	defer span.End()
	if o.Failure != nil {
		span.Fail(string(o.Failure.Code))
	}
	return d.settler.End(ctx, del, o)
}
