package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// What an entry says of its action.
const (
	outcomeDone   = "done"
	outcomeFailed = "failed: "
)

// Tick decides for every pool, if this controller has the lease or can have
// it; else it does nothing. A pool whose tick fails does not keep the others
// from theirs.
func (c *Controller) Tick(ctx context.Context) error {
	set := c.settings()
	lease, err := c.DecisionLog.AcquireLease(ctx, c.Holder, leaseLength(set))
	c.waits.Store(errors.Is(err, platform.ErrLeaseLost))
	if errors.Is(err, platform.ErrLeaseLost) {
		c.Log.Debug("another controller ticks")
		return nil
	}
	if err != nil {
		return err
	}
	// What is done under the lease ends with it: the process that has the next one must
	// find nobody at work.
	ctx, cancel := context.WithTimeout(ctx, leaseLength(set))
	defer cancel()
	c.noteLease(lease)
	var errs []error
	for _, p := range c.Pools {
		if err := c.tickPool(ctx, lease, p); err != nil {
			errs = append(errs, fmt.Errorf("tick of pool %s: %w", p.Name, err))
		}
	}
	c.measureEnds(ctx)
	c.judgeTrials(ctx)
	errs = append(errs, c.endDeadLetters(ctx))
	return errors.Join(errs...)
}

// noteLease notes whether another controller may have ticked since.
func (c *Controller) noteLease(l platform.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = l.Token
}

// leaseLength outlives two ticks that were missed.
func leaseLength(set settings.Settings) time.Duration {
	return time.Duration(max(15, 3*set.TickSeconds) * float64(time.Second))
}

// releaseLease lets another controller take over at once.
func (c *Controller) releaseLease(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	lease, err := c.DecisionLog.AcquireLease(ctx, c.Holder, time.Second)
	if err == nil {
		err = c.DecisionLog.ReleaseLease(ctx, lease)
	}
	if err != nil && !errors.Is(err, platform.ErrLeaseLost) {
		c.Log.Warn("could not release the lease; it ends by itself", "error", err)
	}
}

// tickPool collects, decides, writes down and acts. The decision is written
// before it is acted upon, so that no change of the fleet is without one; should
// the controller die in between, the next tick finds the fleet as it was.
func (c *Controller) tickPool(ctx context.Context, lease platform.Lease, p Pool) error {
	began := c.Now()
	ctx, span := c.Traces.Root(ctx, "tick")
	defer span.End()
	span.Set("pool", p.Name)
	in, after, err := c.gather(ctx, p)
	if err != nil {
		return err
	}
	r, state, err := c.decide(ctx, in)
	if err != nil {
		return err
	}
	span.Set("tick", r.ID)
	after.State, after.Rules, after.Wanted = state, r.Action, r.BeforeBudget()
	e, err := c.entry(r, in.Settings)
	if err != nil {
		return err
	}
	if err := c.write(ctx, lease, after, e); err != nil {
		return err
	}
	c.keepTick(p.Name, after)
	c.noteQuiet(r, state)
	level := slog.LevelDebug // the record says it all, and most change nothing
	if r.Action.Moves() {
		level = slog.LevelInfo
	}
	c.Log.Log(ctx, level, "tick", "pool", p.Name, "id", r.ID, "decision", r.Summary())
	if !r.Action.Moves() {
		if err := c.turnFor(ctx, nil); err != nil {
			c.Log.Warn("could not reroute requests", "pool", p.Name, "error", err)
		}
	} else {
		e.Outcome = outcomeDone
		if err := c.act(ctx, p, r.Action); err != nil {
			e.Outcome, after.Failed = outcomeFailed+err.Error(), err.Error()
			c.Log.Warn("could not act", "pool", p.Name, "id", r.ID, "error", err)
		}
		if err := c.write(ctx, lease, after, e); err != nil {
			return err
		}
	}
	c.measure(ctx, r, c.Now().Sub(began))
	return c.endStranded(ctx, p, r)
}

// gather collects, with what was remembered.
func (c *Controller) gather(ctx context.Context, p Pool) (decision.Case, memory, error) {
	ctx, span := c.Traces.Child(ctx, "collect")
	defer span.End()
	in, after, err := c.collect(ctx, p, c.recall(ctx, p.Name))
	if err != nil {
		span.Fail("could not read the fleet")
	}
	return in, after, err
}

// decide asks the scheme, and guards what it wants.
func (c *Controller) decide(ctx context.Context, in decision.Case) (decision.Record, decision.State, error) {
	_, span := c.Traces.Child(ctx, "decide")
	chosen, err := decision.Choose(in)
	span.Set("scheme", in.Settings.Scheme)
	span.End()
	if err != nil {
		return decision.Record{}, in.Before, err
	}
	_, span = c.Traces.Child(ctx, "guard")
	defer span.End()
	r, after := chosen.Guard()
	span.Count("wanted", r.Wanted)
	span.Count("target", r.Action.To)
	span.Count("clamps", len(r.Clamps))
	return r, after, nil
}

// act asks for workers, turns the requests from those who leave, has them drain,
// and ends the dead ones. In this order nobody who leaves is replaced; should only
// the first be done, the next tick finds more workers than are asked for and does
// the rest.
func (c *Controller) act(ctx context.Context, p Pool, a decision.Action) error {
	ctx, span := c.Traces.Child(ctx, "act")
	defer span.End()
	span.Count("target", a.To)
	span.Count("drained", len(a.Drain))
	span.Count("replaced", len(a.Replace))
	if a.Set {
		if err := c.Fleet.SetDesired(ctx, p.Name, a.To); err != nil {
			return err
		}
	}
	if err := c.turnFor(ctx, slices.Concat(a.Drain, a.Replace)); err != nil {
		return err
	}
	if len(a.Drain) > 0 {
		if err := c.Fleet.Drain(ctx, p.Name, a.Drain...); err != nil {
			return err
		}
	}
	if len(a.Replace) > 0 {
		return c.Fleet.Replace(ctx, p.Name, a.To, a.Replace...)
	}
	return nil
}
