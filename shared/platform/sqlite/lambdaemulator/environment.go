package lambdaemulator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// environment is one process of a function, and one event at a time in it.
type environment struct {
	f         *function
	sandbox   string         // secret part of its address
	child     *process.Child // guarded by the invoker's lock until it is there
	idleSince time.Time      // guarded by the invoker's lock

	polls   chan struct{}       // the runtime asks for an event: the last one is over
	events  chan *event         // at most one
	initErr chan *FunctionError // what the runtime says of a failed start
	gone    chan struct{}       // closed when the environment is discarded
	current atomic.Pointer[event]
	// extended says that the process has registered an extension.
	extended atomic.Bool
}

// event is one invocation in an environment.
type event struct {
	id       string
	payload  []byte
	deadline time.Time
	answer   chan answer // at most one
}

// answer is what the runtime posted.
type answer struct {
	payload []byte
	err     *FunctionError
}

func newEnvironment(f *function) *environment {
	return &environment{
		f: f, sandbox: rand.Text(),
		polls: make(chan struct{}, 1), events: make(chan *event, 1),
		initErr: make(chan *FunctionError, 1), gone: make(chan struct{}),
	}
}

// run takes one event through an environment that acquire gave.
func (in *Invoker) run(e, evicted *environment, payload []byte) (platform.Invocation, error) {
	if evicted != nil {
		<-evicted.child.Done() // its memory is free now
	}
	began := in.opts.Now()
	var inv platform.Invocation
	cold := e.child == nil
	if cold {
		if err := in.boot(e); err != nil {
			inv.BilledMS = query.Milliseconds(in.opts.Now().Sub(began))
			in.release(e, false, true)
			return inv, err
		}
		inv.InitMS = query.Milliseconds(in.opts.Now().Sub(began))
	}
	if in.opts.Freeze && !cold {
		e.child.Thaw()
	}
	response, reusable, err := e.handle(&event{
		id: rand.Text(), payload: payload, deadline: in.opts.Now().Add(e.f.Timeout), answer: make(chan answer, 1),
	})
	if err == nil {
		in.hold(e.f.Name, payload, cold, began)
	}
	if in.opts.Freeze && reusable {
		e.child.Freeze()
	}
	inv.Payload, inv.BilledMS = response, query.Milliseconds(in.opts.Now().Sub(began))
	in.release(e, reusable, err != nil)
	return inv, err
}

// hold keeps an environment busy for as long as its profile says.
func (in *Invoker) hold(name string, payload []byte, cold bool, began time.Time) {
	if in.opts.Pace == nil {
		return
	}
	rest := in.opts.Pace(name, payload, cold) - in.opts.Now().Sub(began)
	if rest <= 0 {
		return
	}
	select {
	case <-in.after(rest):
	case <-in.quit:
	}
}

// boot starts the process and waits until it asks for its first event.
func (in *Invoker) boot(e *environment) error {
	child, err := in.spawner.Start(process.Spec{
		Name: e.f.Name, Path: e.f.Bootstrap, Dir: filepath.Dir(e.f.Bootstrap), Env: in.environ(e), Logger: in.opts.Logger,
	})
	if err != nil {
		return &FunctionError{Function: e.f.Name, Type: "Runtime.InvalidEntrypoint", Message: err.Error()}
	}
	in.adopt(e, child)
	limit := time.NewTimer(in.allowance + e.f.Timeout)
	defer limit.Stop()
	select {
	case <-e.polls:
		return nil
	case err := <-e.initErr:
		return err
	case <-child.Done():
		select {
		case err := <-e.initErr: // said before it ended
			return err
		default:
			return e.exited()
		}
	case <-limit.C:
		return e.timedOut(in.allowance + e.f.Timeout)
	}
}

// environ returns all the variables that a function sees.
func (in *Invoker) environ(e *environment) []string {
	return slices.Concat(in.parentEnv, []string{
		"AWS_LAMBDA_RUNTIME_API=" + in.addr + "/" + e.sandbox,
		"AWS_LAMBDA_FUNCTION_NAME=" + e.f.Name,
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", e.f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(e.f.Bootstrap),
		"_HANDLER=bootstrap",
		"TZ=:UTC",
	}, e.f.Env)
}

// handle gives the event to the runtime and waits until it is over: as on
// Lambda, when the runtime asks for the next one. The environment is reusable
// then and only then.
func (e *environment) handle(ev *event) (response []byte, reusable bool, err error) {
	limit := time.NewTimer(e.f.Timeout)
	defer limit.Stop()
	e.current.Store(ev)
	defer e.current.Store(nil)
	e.events <- ev
	a, err := e.await(ev, limit.C)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-e.polls:
		reusable = true
	case <-e.child.Done(): // after its answer, which stands
	case <-limit.C:
	}
	if a.err != nil {
		return nil, reusable, a.err
	}
	return a.payload, reusable, nil
}

// await returns what the runtime posted, or why it never will. An answer that
// is there counts, even when the process ended just behind it.
func (e *environment) await(ev *event, limit <-chan time.Time) (answer, error) {
	var err error
	select {
	case a := <-ev.answer:
		return a, nil
	case <-e.child.Done():
		err = e.exited()
	case <-limit:
		err = e.timedOut(e.f.Timeout)
	}
	select {
	case a := <-ev.answer:
		return a, nil
	default:
		return answer{}, err
	}
}

// exited is the fault of a process that ended, in Lambda's words.
func (e *environment) exited() error {
	reason := e.child.Err()
	if reason == nil {
		reason = errors.New("exit status 0")
	}
	return &FunctionError{Function: e.f.Name, Type: "Runtime.ExitError", Message: "runtime exited with error: " + reason.Error()}
}

// timedOut is the fault of a process that took too long, in Lambda's words.
func (e *environment) timedOut(limit time.Duration) error {
	return &FunctionError{Function: e.f.Name, Type: "Sandbox.Timedout", Message: fmt.Sprintf("task timed out after %.2f seconds", limit.Seconds())}
}
