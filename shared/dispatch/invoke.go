package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// invoking is a query on its way through the functions.
type invoking struct {
	inference.Invoked
	msg     query.Message
	request inference.Request
}

// Invoke takes a query to the functions that fit it, the cheapest that is in
// time first, until one answers or its attempts are used up. It uses no queue
// and stores nothing: what becomes of the query is the caller's. Each invocation
// is reported to Paid. When ctx ends during one, that one is in doubt.
func (d *Dispatcher) Invoke(ctx context.Context, msg query.Message) inference.Invoked {
	v := invoking{Invoked: inference.Invoked{Attempts: msg.Attempts}, msg: msg}
	if d.Settings().MaxOverflowConcurrency == 0 {
		return v.throw(inference.Off, "overflow is off")
	}
	if open, broken := d.breakers.IsOpen(msg.Model, d.Now()); broken {
		return v.throw(inference.NoFunction, "its functions fail: "+open.Why)
	}
	if !d.load(ctx, &v) {
		return v.Invoked
	}
	v.throw(inference.NoFunction, "no function runs model "+msg.Model)
	for _, size := range d.sizesFor(msg, msg.DeadlineAt.Sub(d.Now())) {
		if done := d.try(ctx, &v, size); done {
			break
		}
	}
	return v.Invoked
}

// throw notes why the query has not ended. A fault is not forgotten for a
// throttle that comes after it.
func (v *invoking) throw(r inference.Reason, why string) inference.Invoked {
	v.Why = why
	if v.Thrown != inference.Fault || r == inference.InDoubt {
		v.Thrown = r
	}
	return v.Invoked
}

// end notes how the query ended.
func (v *invoking) end(o query.Outcome) {
	o.Attempts, o.CostUSD = v.Attempts, v.CostUSD
	v.Outcome, v.Thrown, v.Why = &o, "", ""
}

// fail notes that the query failed.
func (v *invoking) fail(now time.Time, f query.Failure) {
	v.end(query.Outcome{State: query.Failed, FinishedAt: now, Failure: &f})
}

// load makes the request. It is false when there is none: the query has ended
// or was thrown back.
func (d *Dispatcher) load(ctx context.Context, v *invoking) bool {
	in, err := platform.ReadInput(ctx, d.Blobs, v.msg, d.Settings().UploadLimitKB<<10)
	if errors.Is(err, platform.ErrNotFound) || errors.Is(err, platform.ErrTooLarge) {
		v.Attempts++
		v.fail(d.Now(), query.Failure{Code: query.InputIsGone, Detail: err.Error()})
		return false
	}
	if err != nil {
		v.throw(inference.NoInput, err.Error())
		return false
	}
	if n := len(in.Data); n > inference.MaxInputBytes {
		v.throw(inference.NoFunction, fmt.Sprintf("an input of %d bytes is too large for a function", n))
		return false
	}
	v.request = inference.Request{Model: v.msg.Model, Input: in, AllScores: v.msg.AllScores}
	return true
}

// try invokes one function. It is done when no other may be tried.
func (d *Dispatcher) try(ctx context.Context, v *invoking, size sizing.Size) (done bool) {
	name, startedAt := d.address(v, size), d.Now()
	inv, res, err := d.call(ctx, v, name, size)
	doubt := inDoubt(err)
	d.charge(v, size, inv, doubt)
	switch {
	case doubt:
		v.throw(inference.InDoubt, fmt.Sprintf("%s: %v", name, err))
		return true
	case errors.Is(err, platform.ErrFault):
		return d.countFault(v, fmt.Sprintf("%s: %v", name, err))
	case errors.Is(err, platform.ErrThrottled):
		v.throw(inference.Throttled, fmt.Sprintf("%s: %v", name, err))
	case err != nil:
		v.Why = fmt.Sprintf("%s: %v", name, err)
	case res.Error == nil:
		d.breakers.Succeeded(v.msg.Model)
		d.countRefuser(v.msg)
		v.end(d.answered(v, name, size, inv, res, startedAt))
		return true
	case res.Error.Code == query.BadInput && d.onTrial(v.msg.Model):
		v.BadInput = true
		v.throw(inference.Fault, fmt.Sprintf("%s: %s", name, res.Error.Detail))
		return true
	case res.Error.Code == query.BadInput:
		v.Attempts++
		v.fail(d.Now(), *res.Error)
		return true
	default:
		return d.countFault(v, fmt.Sprintf("%s: %s", name, res.Error.Detail))
	}
	return false
}

// address names the function of a size that runs the query's model, and pins the
// model's file where the function is of no model.
func (d *Dispatcher) address(v *invoking, size sizing.Size) string {
	v.request.SHA256 = ""
	if !size.Generic {
		return inference.FunctionName(v.msg.Model, size.MemoryMB)
	}
	if m, ok := d.Catalogue.Current().Model(v.msg.Model); ok {
		v.request.SHA256 = m.SHA256
	}
	return inference.GenericName(size.MemoryMB)
}

// inDoubt says of an invocation's error that the function may have run: it is
// none of those with which it did not, nor the function's own.
func inDoubt(err error) bool {
	if err == nil {
		return false
	}
	for _, known := range []error{platform.ErrFault, platform.ErrThrottled, platform.ErrNotFound, platform.ErrTooLarge} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}

// charge reports what an invocation cost; in doubt, what it costs as a rule.
func (d *Dispatcher) charge(v *invoking, size sizing.Size, inv platform.Invocation, doubt bool) {
	usd := 0.0
	switch {
	case inv.BilledMS > 0:
		usd = pricing.FunctionQueryUSD(d.Catalogue.Current().Prices, d.Arch, size.MemoryMB, inv.BilledMS)
	case doubt:
		usd = size.QueryUSD
	default:
		return
	}
	v.CostUSD += usd
	d.Paid(usd)
}

// call invokes one function, which follows the trace, and reads its answer.
func (d *Dispatcher) call(ctx context.Context, v *invoking, name string, size sizing.Size) (inv platform.Invocation, res inference.Response, err error) {
	ctx, span := d.Traces.Child(ctx, "invoke")
	defer span.End()
	span.Set("function", name)
	v.request.Trace = d.Traces.Carry(ctx)
	payload, err := json.Marshal(v.request)
	if err != nil {
		return inv, res, fmt.Errorf("%w: encode the request: %w", platform.ErrFault, err)
	}
	if inv, err = d.Invoker.Invoke(ctx, name, payload); err == nil {
		if err = json.Unmarshal(inv.Payload, &res); err != nil {
			err = fmt.Errorf("%w: its answer cannot be read: %w", platform.ErrFault, err)
		}
		d.sawStart(v.msg.Model, size.MemoryMB, coldMS(inv, res) > 0)
	}
	span.Count("cold_start_ms", int(coldMS(inv, res)))
	switch {
	case err != nil:
		span.Fail("the invocation failed")
	case res.Error != nil:
		span.Fail(string(res.Error.Code))
	}
	return inv, res, err
}

// coldMS is what a run took to start: its environment, and the model where that is not
// part of it.
func coldMS(inv platform.Invocation, res inference.Response) float64 { return inv.InitMS + res.LoadMS }

// countFault counts a run that failed, and fails the query whose attempts are
// used up.
func (d *Dispatcher) countFault(v *invoking, why string) (done bool) {
	v.throw(inference.Fault, why)
	d.Counts.Faulted(tally.Key{Task: v.msg.Task, Model: v.msg.Model, Class: v.msg.Class})
	if d.breakers.Failed(v.msg.Model, why, d.Now()) {
		d.Log.Error("a model's functions fail; its queries go elsewhere for a while", "model", v.msg.Model, "why", why)
	}
	d.Log.Info("a run failed", "query", v.msg.ID, "attempts", v.Attempts+1, "why", why)
	if d.onTrial(v.msg.Model) {
		return true // of a version on trial: what is served answers, and this does not count
	}
	v.Attempts++
	if v.Attempts < d.Settings().MaxAttempts {
		return false
	}
	v.fail(d.Now(), query.Failure{Code: query.TooOften, Detail: fmt.Sprintf("%d runs failed, the last on %s", v.Attempts, why)})
	return true
}

// onTrial says whether another version than a model's is served.
func (d *Dispatcher) onTrial(model string) bool {
	_, is := d.Catalogue.Current().ServedInstead(model)
	return is
}

// countRefuser counts a fault of a version on trial that could not run on an input on
// which what is served can.
func (d *Dispatcher) countRefuser(m query.Message) {
	if m.Refuser != "" {
		d.Counts.Faulted(tally.Key{Task: m.Task, Model: m.Refuser, Class: m.Class})
	}
}

// answered is the outcome of a query that a function answered.
func (d *Dispatcher) answered(v *invoking, name string, size sizing.Size, inv platform.Invocation, res inference.Response, startedAt time.Time) query.Outcome {
	now, result := d.Now(), res.Result()
	return query.Outcome{
		State: query.Succeeded, FinishedAt: now, StartedAt: startedAt, Result: &result,
		RanOn: query.Runner{Kind: query.OnFunction, Name: name, Resource: "lambda-" + d.Arch,
			MemoryMB: size.MemoryMB, Cold: coldMS(inv, res) > 0, Paced: d.Paced},
		ComputeMS: res.ComputeMS, ColdStartMS: coldMS(inv, res),
		Trail: v.msg.Trail.Add(query.Step{At: now, Event: query.StepRan, Where: name}),
	}
}
