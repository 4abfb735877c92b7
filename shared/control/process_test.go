package control_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	engine "github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
	"github.com/paragon-serving/paragon/shared/serving"
)

// steps are the calls that lead out of a worker.
var steps = []string{"receive", "extend", "infer", "read states", "store", "acknowledge", "release", "move", "report", "view"}

// process is a worker's process. While it is frozen no call of its begins or returns, and once
// it is killed none has an effect.
type process struct {
	stop   context.CancelFunc
	killed chan struct{}

	mu     sync.Mutex
	thawed chan struct{} // closed while it is not frozen
	traps  map[trap]func()

	suspended bool // guarded by the stage's mutex
}

// trap is a moment of a call.
type trap struct {
	step  string
	after bool // it has had its effect
}

func newProcess(stop context.CancelFunc) *process {
	p := &process{stop: stop, killed: make(chan struct{}), thawed: make(chan struct{}), traps: map[trap]func(){}}
	close(p.thawed)
	return p
}

// catch has something occur at the next such moment.
func (p *process) catch(step string, after bool, act func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps[trap{step, after}] = act
}

// freeze reports whether it was not frozen before.
func (p *process) freeze() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.thawed:
		p.thawed = make(chan struct{})
		return true
	default:
		return false
	}
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.thawed)
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.killed:
	default:
		close(p.killed)
		p.stop()
	}
}

// errKilled is of no call that anybody sees: the process is no more. By it the worker stops at
// once, and asks for nothing again.
var errKilled = fmt.Errorf("the process was killed: %w", platform.ErrRevoked)

// reach is a moment of a call: what is to occur at it does, and the call goes on when the
// process is not frozen.
func (p *process) reach(at trap) error {
	p.mu.Lock()
	act := p.traps[at]
	delete(p.traps, at)
	p.mu.Unlock()
	if act != nil {
		act()
	}
	p.mu.Lock()
	thawed := p.thawed
	p.mu.Unlock()
	select {
	case <-p.killed:
	case <-thawed:
	}
	select {
	case <-p.killed:
		return errKilled
	default:
		return nil
	}
}

// call makes a call.
func (p *process) call(step string, f func() error) error {
	if err := p.reach(trap{step, false}); err != nil {
		return err
	}
	err := f()
	if dead := p.reach(trap{step, true}); dead != nil {
		return dead
	}
	return err
}

// queuesOf, recordsOf, fleetOf and answersOf are a process's ways out.
type queuesOf struct {
	platform.Queues
	p *process
}

func (q queuesOf) Receive(ctx context.Context, name platform.QueueName, n int, lease, wait time.Duration) (ds []platform.Delivery, err error) {
	err = q.p.call("receive", func() error { ds, err = q.Queues.Receive(ctx, name, n, lease, wait); return err })
	if err != nil {
		return nil, err
	}
	return ds, nil
}

func (q queuesOf) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	return q.p.call("extend", func() error { return q.Queues.Extend(ctx, d, lease) })
}

func (q queuesOf) Delete(ctx context.Context, ds ...platform.Delivery) error {
	return q.p.call("acknowledge", func() error { return q.Queues.Delete(ctx, ds...) })
}

func (q queuesOf) Release(ctx context.Context, ds ...platform.Delivery) error {
	return q.p.call("release", func() error { return q.Queues.Release(ctx, ds...) })
}

func (q queuesOf) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	return q.p.call("move", func() error { return q.Queues.Move(ctx, d, to, m) })
}

type recordsOf struct {
	settle.Records
	p *process
}

func (r recordsOf) PutRecord(ctx context.Context, rec query.Record) (held query.Record, won bool, err error) {
	err = r.p.call("store", func() error { held, won, err = r.Records.PutRecord(ctx, rec); return err })
	return held, won, err
}

func (r recordsOf) EndStates(ctx context.Context, ids ...string) (out map[string]query.State, err error) {
	err = r.p.call("read states", func() error { out, err = r.Records.EndStates(ctx, ids...); return err })
	return out, err
}

type fleetOf struct {
	serving.Fleet
	p *process
}

func (f fleetOf) Report(ctx context.Context, r platform.WorkerReport) (o platform.Orders, err error) {
	err = f.p.call("report", func() error { o, err = f.Fleet.Report(ctx, r); return err })
	return o, err
}

func (f fleetOf) View(ctx context.Context) (v platform.FleetView, err error) {
	err = f.p.call("view", func() error { v, err = f.Fleet.View(ctx); return err })
	return v, err
}

// answersOf answers everything.
type answersOf struct{ p *process }

func (a answersOf) Answer(ctx context.Context, _ string, in []query.Input) (out []engine.Answered, err error) {
	err = a.p.call("infer", func() error {
		for range in {
			out = append(out, engine.Answered{Result: query.Result{Label: "1", Index: 1}})
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
