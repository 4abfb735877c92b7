package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon-lab/up"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

// The binaries of a stage's children, as /proc names them.
const (
	workerBinary   = "worker"
	functionBinary = "inference"
)

// injector injects faults into a stage, one after another.
type injector struct {
	stage    *up.Stage
	client   *client.Client
	data     string // folder of the stage
	noDisk   string // why its disk cannot be filled; empty when it can
	random   *rand.Rand
	since    func() time.Duration // from the start of the load
	sleep    func(ctx context.Context, d time.Duration) error
	progress func(Kind) // called before each fault
}

// run injects the faults of a plan until ctx ends, and returns them as they came. An
// error means that the stage did not come up again.
func (j *injector) run(ctx context.Context, plan []Fault) ([]Injected, error) {
	var out []Injected
	for _, f := range plan {
		if ahead := f.At - j.since(); ahead > 0 && j.sleep(ctx, ahead) != nil {
			return out, nil
		}
		j.progress(f.Kind)
		pid, err := j.victim(ctx, f.Kind)
		done := Injected{Kind: f.Kind, From: j.since()}
		if err == nil {
			err = j.inject(ctx, f, pid)
		}
		done.Until = j.since()
		if no, ok := errors.AsType[*notInjected](err); ok {
			done.Skipped = no.why
		} else if err != nil {
			return append(out, done), fmt.Errorf("%s: %w", f.Kind, err)
		}
		out = append(out, done)
	}
	return out, nil
}

// notInjected says why a fault could not be injected.
type notInjected struct{ why string }

func (n *notInjected) Error() string { return n.why }

// inject injects one fault, into a process where it is one of a process, and ends it.
func (j *injector) inject(ctx context.Context, f Fault, pid int) error {
	hold := func(ctx context.Context) error {
		_ = j.sleep(ctx, f.For) // cut short, the fault ends sooner
		return nil
	}
	switch f.Kind {
	case KillWorker, KillFunction:
		return signal(pid, syscall.SIGKILL)
	case FreezeWorker, FreezeFunction, FreezeStage:
		return frozen(ctx, pid, hold)
	case KillStage:
		j.stage.Kill()
		return j.stage.Start()
	case FullDisk:
		return j.fillDisk(ctx, hold)
	case LostCapacity:
		return j.loseCapacity(ctx, hold)
	case SlowStore, FailingStore:
		if err := lockStore(ctx, filepath.Join(j.data, "paragon.db"), hold); err != nil {
			return &notInjected{err.Error()}
		}
		return nil
	}
	return fmt.Errorf("there is no fault %q", f.Kind)
}

// A child that is to be killed is waited for: an earlier fault may have ended it.
const (
	victimWait = 10 * time.Second
	victimPoll = 100 * time.Millisecond
)

// victim is the process that a fault is for; 0 when it is for none. An error when there is
// none within victimWait.
func (j *injector) victim(ctx context.Context, k Kind) (int, error) {
	binary := ""
	switch k {
	case KillWorker, FreezeWorker:
		binary = workerBinary
	case KillFunction, FreezeFunction:
		binary = functionBinary
	case FreezeStage:
		return j.stage.PID(), nil
	default:
		return 0, nil
	}
	for end := j.since() + victimWait; ; {
		if pids := j.stage.Children(binary); len(pids) > 0 {
			return pids[j.random.IntN(len(pids))], nil
		}
		if j.since() > end || j.sleep(ctx, victimPoll) != nil {
			return 0, &notInjected{"no " + binary + " process ran"}
		}
	}
}

func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil {
		return &notInjected{err.Error()}
	}
	return nil
}

// frozen stops a process for a time. It may be killed meanwhile, as one that hangs.
func frozen(ctx context.Context, pid int, hold func(context.Context) error) error {
	if err := signal(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	held := hold(ctx)
	_ = syscall.Kill(pid, syscall.SIGCONT) // gone, when it was killed
	return held
}

func (j *injector) fillDisk(ctx context.Context, hold func(context.Context) error) error {
	if j.noDisk != "" {
		return &notInjected{j.noDisk}
	}
	if err := fill(j.data); err != nil {
		return &notInjected{err.Error()}
	}
	held := hold(ctx)
	return errors.Join(held, empty(j.data))
}

// loseCapacity refuses every launch and kills every worker.
func (j *injector) loseCapacity(ctx context.Context, hold func(context.Context) error) error {
	if _, err := j.client.SetFault(ctx, api.Fault{Kind: api.NoCapacity}); err != nil {
		return &notInjected{err.Error()}
	}
	for _, pid := range j.stage.Children(workerBinary) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	held := hold(ctx)
	_, err := j.client.ClearFaults(context.WithoutCancel(ctx), api.NoCapacity)
	return errors.Join(held, err)
}
