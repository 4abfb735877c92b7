package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/settle"
	"paragon/shared/core/inference"
	"paragon/shared/core/placement"
	"paragon/shared/core/pricing"
	"paragon/shared/core/query"
)

// attempt is a query on its way through the functions.
type attempt struct {
	del      cloud.Delivery
	request  inference.Request
	failures int    // runs of it that failed so far
	why      string // what became of the last try
}

// answer takes a query to its end, or back to the work queue. An error means
// that neither could be stored.
func (d *Dispatcher) answer(ctx context.Context, del cloud.Delivery) error {
	a := attempt{del: del, failures: settle.Attempts(del)}
	if d.Settings().MaxOverflowConcurrency == 0 {
		a.why = "overflow is off"
		return d.fallBack(ctx, a)
	}
	failure, err := d.load(ctx, &a)
	switch {
	case failure != nil:
		return d.fail(ctx, &a, a.failures+1, *failure)
	case err != nil:
		a.why = err.Error()
		return d.fallBack(ctx, a)
	}
	a.why = "no function runs model " + del.Message.Model
	for _, offer := range d.offers(del.Message.Model, del.Message.DeadlineAt.Sub(d.Now())) {
		done, err := d.try(ctx, &a, offer)
		if done || err != nil {
			return err
		}
	}
	return d.fallBack(ctx, a)
}

// load makes the request. A failure ends the query; an error means that no
// function can take it.
func (d *Dispatcher) load(ctx context.Context, a *attempt) (*query.Failure, error) {
	m := a.del.Message
	if m.Input.URI != "" {
		data, err := d.Blobs.Blob(ctx, m.Owner, m.Input.URI, d.Settings().UploadLimitKB<<10)
		if errors.Is(err, cloud.ErrNotFound) || errors.Is(err, cloud.ErrTooLarge) {
			return &query.Failure{Code: query.InputIsGone, Detail: "get the upload: " + err.Error()}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("get the upload: %w", err)
		}
		m.Input.Data, m.Input.URI = data, ""
	}
	if n := len(m.Input.Data); n > inference.MaxInputBytes {
		return nil, fmt.Errorf("an input of %d bytes is too large for a function", n)
	}
	a.request = inference.Request{Model: m.Model, Input: m.Input}
	return nil, nil
}

// try invokes one function. It is done when the query is over; otherwise the
// next function may be tried.
func (d *Dispatcher) try(ctx context.Context, a *attempt, offer placement.FunctionOffer) (done bool, err error) {
	name, startedAt := inference.FunctionName(a.del.Message.Model, offer.MemoryMB), d.Now()
	inv, res, err := d.invoke(ctx, a, name)
	if inv.BilledMS > 0 {
		d.Paid(d.price(offer, inv))
	}
	if ctx.Err() != nil {
		return false, fmt.Errorf("invoke %s: %w", name, ctx.Err())
	}
	switch {
	case err != nil:
		a.why = fmt.Sprintf("%s: %v", name, err)
		if !errors.Is(err, cloud.ErrFault) { // throttled, or out of reach: nothing ran
			return false, nil
		}
	case res.Error == nil:
		return true, d.succeed(ctx, a, offer, inv, res, startedAt)
	case res.Error.Code == query.BadInput:
		return true, d.fail(ctx, a, a.failures+1, *res.Error)
	default:
		a.why = fmt.Sprintf("%s: %s", name, res.Error.Detail)
	}
	return d.countFault(ctx, a)
}

// invoke asks one function, which follows the trace, and reads its answer.
func (d *Dispatcher) invoke(ctx context.Context, a *attempt, name string) (inv cloud.Invocation, res inference.Response, err error) {
	ctx, span := d.Traces.Child(ctx, "invoke")
	defer span.End()
	span.Set("function", name)
	a.request.Trace = d.Traces.Carry(ctx)
	payload, err := json.Marshal(a.request)
	if err != nil {
		return inv, res, fmt.Errorf("encode the request: %w", err)
	}
	if inv, err = d.Invoker.Invoke(ctx, name, payload); err == nil {
		d.sawStart(name, inv.InitMS > 0)
		if err = json.Unmarshal(inv.Payload, &res); err != nil {
			err = fmt.Errorf("%w: its answer cannot be read: %w", cloud.ErrFault, err)
		}
	}
	span.Count("cold_start_ms", int(inv.InitMS))
	switch {
	case err != nil:
		span.Fail("the invocation failed")
	case res.Error != nil:
		span.Fail(string(res.Error.Code))
	}
	return inv, res, err
}

// countFault counts a run that failed, and ends the query that failed too often.
func (d *Dispatcher) countFault(ctx context.Context, a *attempt) (done bool, err error) {
	a.failures++
	d.Log.Info("a run failed", "query", a.del.Message.ID, "attempts", a.failures, "why", a.why)
	if a.failures < d.Settings().MaxAttempts {
		return false, nil
	}
	detail := fmt.Sprintf("%d runs failed, the last on %s", a.failures, a.why)
	return true, d.fail(ctx, a, a.failures, query.Failure{Code: query.TooOften, Detail: detail})
}

// fallBack puts a query on its work queue, from which it may not be bounced
// again: functions threw it back.
func (d *Dispatcher) fallBack(ctx context.Context, a attempt) error {
	to := cloud.WorkQueue(d.Pool, a.del.Message.Class)
	step := query.Step{At: d.Now(), Event: query.StepFellBack, Where: string(to), Why: a.why}
	ctx, span := d.Traces.Child(ctx, "fall back")
	defer span.End()
	if carried := d.Traces.Carry(ctx); carried != "" {
		a.del.Message.Trace = carried
	}
	return d.settler.Pin(ctx, a.del, to, a.failures, step)
}

// fail ends a query without an answer.
func (d *Dispatcher) fail(ctx context.Context, a *attempt, attempts int, f query.Failure) error {
	ctx, span := d.Traces.Child(ctx, "finish")
	defer span.End()
	span.Fail(string(f.Code))
	return d.settler.Fail(ctx, a.del, attempts, f)
}

// price is what an invocation cost.
func (d *Dispatcher) price(offer placement.FunctionOffer, inv cloud.Invocation) float64 {
	return pricing.FunctionQueryUSD(d.Catalogue.Prices, d.Arch, offer.MemoryMB, inv.BilledMS)
}

func (d *Dispatcher) succeed(ctx context.Context, a *attempt, offer placement.FunctionOffer, inv cloud.Invocation, res inference.Response, startedAt time.Time) error {
	ctx, span := d.Traces.Child(ctx, "finish")
	defer span.End()
	now, name, result := d.Now(), inference.FunctionName(a.del.Message.Model, offer.MemoryMB), res.Result()
	return d.settler.End(ctx, a.del, query.Outcome{
		State: query.Succeeded, FinishedAt: now, StartedAt: startedAt, Result: &result,
		RanOn: query.Runner{Kind: query.OnFunction, Name: name, Resource: "lambda-" + d.Arch,
			MemoryMB: offer.MemoryMB, Cold: inv.InitMS > 0, Paced: d.Paced},
		ComputeMS: res.ComputeMS, ColdStartMS: inv.InitMS, Attempts: a.failures,
		CostUSD: d.price(offer, inv),
		Trail:   a.del.Message.Trail.Add(query.Step{At: now, Event: query.StepRan, Where: name}),
	})
}
