// Package dispatch answers the queries of the overflow queue on inference
// functions: each on the cheapest one that still meets its deadline, else on
// the fastest. What a function throws back goes to another size, then to the
// work queue: no query waits here for a retry.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Blobs gives the inputs that are too large for a message.
type Blobs interface {
	Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error)
}

// Options are what a dispatcher is made of. All but Paced, Paid and
// Traces must be set.
type Options struct {
	Catalogue profile.CatalogueSource
	Arch      string // of the inference functions
	Pool      string // whose work queues take what functions throw back
	Paced     bool   // the invoker holds functions to their profile's service time
	Queues    platform.Queues
	Records   settle.Records
	Invoker   platform.Invoker
	Paid      func(usd float64) // called with what each invocation cost, a failed one too
	Blobs     Blobs
	Counts    *tally.Book              // counts the queries of the overflow queue that it ends; nil counts none
	Settings  func() settings.Settings // in force now
	Traces    *tracing.Tracer          // nil traces nothing
	Now       func() time.Time
	Log       *slog.Logger
}

// Dispatcher answers queries on inference functions. Its methods may be called
// from many goroutines.
type Dispatcher struct {
	Options
	settler *settle.Settler

	mu   sync.Mutex
	cold map[string]sizing.ColdShares // by model: a generic function that is warm may be without the model

	breakers breaker.Set // of the models on functions
}

// New makes a dispatcher. It fails for an architecture without functions, and
// in a backend that cannot invoke any.
func New(o Options) (*Dispatcher, error) {
	if o.Invoker == nil {
		return nil, errors.New("dispatcher: this stage has no invoker of functions")
	}
	_, ok := o.Catalogue.Current().FunctionSizes(o.Arch)
	if !ok {
		return nil, fmt.Errorf("dispatcher: catalogue %s has no functions for %q", o.Catalogue.Current().Name, o.Arch)
	}
	if o.Paid == nil {
		o.Paid = func(float64) {}
	}
	d := &Dispatcher{
		Options: o, cold: map[string]sizing.ColdShares{},
		settler: &settle.Settler{Queues: o.Queues, Records: o.Records, Now: o.Now, Log: o.Log, Counts: o.Counts,
			MaxAttempts: func() int { return o.Settings().MaxAttempts }},
	}
	if o.Counts != nil {
		o.Counts.OnFunctions(d.Broken)
	}
	return d, nil
}

// Handle answers deliveries of the overflow queue, all at once, and returns
// those whose end could not be stored: only they, and those of a crash, are to
// come again. The caller's lease must outlast ctx.
func (d *Dispatcher) Handle(ctx context.Context, ds []platform.Delivery) (failed []platform.Delivery) {
	run, left, err := d.settler.Runnable(ctx, ds)
	if err != nil {
		d.Log.Warn("could not dispatch", "messages", len(ds), "error", err)
		return ds
	}
	stored := make([]bool, len(run))
	var all sync.WaitGroup
	for i, del := range run {
		all.Go(func() { stored[i] = d.dispatch(ctx, del) })
	}
	all.Wait()
	for i, ok := range stored {
		if !ok {
			left = append(left, run[i])
		}
	}
	return left
}

// Expired returns how many messages were dropped because their query had
// expired before it could be run.
func (d *Dispatcher) Expired() int64 { return d.settler.Expired() }

// dispatch answers one query, and reports whether its end, or its way on, is stored.
func (d *Dispatcher) dispatch(ctx context.Context, del platform.Delivery) bool {
	ctx, span := d.Traces.Child(d.Traces.Continue(ctx, del.Message.Trace), "dispatch")
	defer span.End()
	span.Query(del.Message)
	err := d.answer(ctx, del)
	if err != nil {
		span.Fail("its end could not be stored")
		d.Log.Warn("could not end a query; its message comes again after its lease", "query", del.Message.ID, "error", err)
	}
	return err == nil
}

// sizesFor returns the function sizes that may answer a model, in the order in
// which they should be tried at this moment: those with the memory for a large
// picture alone.
func (d *Dispatcher) sizesFor(msg query.Message, left time.Duration) []sizing.Size {
	catalogue, ok := d.knowing(msg.Model)
	if !ok {
		return nil
	}
	m, _ := catalogue.ModelDecoding(msg.Model, msg.Input.Decoding)
	return sizing.RankFunctions(catalogue, m, d.Arch, sizing.WantsOf(msg.Need, query.Milliseconds(left)-d.Settings().OverflowPathMS), func(mb int) float64 {
		return d.coldShare(msg.Model, mb)
	})
}

// knowing returns the catalogue when it has a model, read anew where it does not:
// the model may have been added this moment.
func (d *Dispatcher) knowing(model string) (*profile.Catalogue, bool) {
	if _, ok := d.Catalogue.Current().Model(model); !ok {
		if err := profile.Reread(d.Catalogue); err != nil {
			d.Log.Warn("could not read the catalogue again; the last one stays in use", "error", err)
		}
	}
	catalogue := d.Catalogue.Current()
	_, ok := catalogue.Model(model)
	return catalogue, ok
}

// Broken lists the models whose breakers are open on functions, as far as this process
// has seen.
func (d *Dispatcher) Broken() []breaker.Open { return d.breakers.AllOpen(d.Now()) }

func (d *Dispatcher) coldShare(model string, memoryMB int) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cold[model].Of(memoryMB)
}

func (d *Dispatcher) sawStart(model string, memoryMB int, cold bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cold[model] == nil {
		d.cold[model] = sizing.ColdShares{}
	}
	d.cold[model].Saw(memoryMB, cold)
}
