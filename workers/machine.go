package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/instance"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// ec2 is what is asked of an EC2 instance.
type ec2 interface {
	Watch(ctx context.Context) instance.Notice
	Deregister(ctx context.Context) error
	AwaitHook(ctx context.Context) error
	Complete(ctx context.Context) error
	Target(ctx context.Context) (instance.Target, error)
	AwaitService(ctx context.Context) bool
	CompleteLaunch(ctx context.Context) error
}

const (
	// hookTime bounds the wait for the group's hook, which begins once the machine
	// is deregistered from the load balancer and its open requests have ended.
	hookTime = 3 * time.Minute
	// leaveTime bounds the leaving: what is not done by then, the group's own
	// timeout does.
	leaveTime = 90 * time.Second
	// spotLinger is how long a load balancer may go on sending requests to a
	// machine that has deregistered itself.
	spotLinger = 10 * time.Second
)

// machine is what a worker runs on. The zero value is a child process, whose
// supervisor watches it.
type machine struct {
	ec2      ec2
	id, kind string
	ip       string // within its network; empty when it is not known

	stopping <-chan struct{} // closed by SIGTERM; set by awaitService
	mu       sync.Mutex
	notice   instance.Notice // the first one
}

// findMachine looks at the instance when the environment names a stage but no
// worker: the stack starts workers so.
func findMachine(ctx context.Context, env func(string) string) (*machine, error) {
	if env(environment.LocalURL) != "" || env(names.Stage) == "" || env(environment.WorkerID) != "" {
		return &machine{}, nil
	}
	m, err := instance.Find(ctx, env(names.Stage), env(environment.Pool), env(names.TargetGroup))
	if err != nil {
		return nil, err
	}
	return &machine{ec2: m, id: m.ID, kind: m.Type, ip: m.IP}, nil
}

// environment adds what the machine knows of itself to the environment.
func (m *machine) environment(env func(string) string) func(string) string {
	if m.ec2 == nil {
		return env
	}
	known := map[string]string{environment.WorkerID: m.id, environment.InstanceType: m.kind, environment.Runners: strconv.Itoa(runtime.NumCPU())}
	return func(key string) string {
		if v := env(key); v != "" {
			return v
		}
		return known[key]
	}
}

// addr is the address to listen at as peers reach it.
func (m *machine) addr(listen string) string {
	if m.ip != "" && strings.HasPrefix(listen, ":") {
		return m.ip + listen
	}
	return listen
}

func (m *machine) settingsReader() settings.Reader {
	if m.ec2 == nil {
		return settings.LocalReader
	}
	return settings.WorkerReader
}

// awaitService returns true when the machine is to serve. One that its group prepares
// for the warm pool is not: it neither serves nor reports, completes the launch hook,
// upon which it is stopped, and comes back here when it is started again. One that its
// group ends as it boots is not either, and does not keep the group waiting.
func (m *machine) awaitService(ctx context.Context, log *slog.Logger) (bool, error) {
	m.stopping = ctx.Done()
	if m.ec2 == nil {
		return true, nil
	}
	switch target, err := m.ec2.Target(ctx); {
	case err != nil || target == instance.Serve:
		return err == nil, err
	case target == instance.End:
		log.Info("the instance must terminate before it has served")
		return false, m.completeHook(ctx, nil)
	}
	log.Info("the instance is prepared for the warm pool")
	var completed sync.WaitGroup
	completed.Go(func() { m.completeLaunch(ctx, log) })
	serves := m.ec2.AwaitService(ctx)
	completed.Wait()
	if serves {
		return true, nil
	}
	return false, m.completeHook(ctx, nil)
}

// completeLaunch completes the launch hook, by which the group knows that this machine
// is prepared, or serves. One that never waits is that of a process that was started
// anew, while its machine served.
func (m *machine) completeLaunch(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	if err := m.ec2.CompleteLaunch(ctx); err != nil && !m.stopped() {
		log.Warn("could not complete the launch hook", "error", err)
	}
}

// serve runs a worker until it has drained, for which a notice to the machine,
// SIGTERM and the fleet's orders are one path, and then sees the machine off.
func (m *machine) serve(ctx context.Context, run func(context.Context) error, log *slog.Logger) error {
	if m.ec2 == nil {
		return run(ctx)
	}
	open, fence := context.WithCancel(ctx)
	defer fence()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if n := m.ec2.Watch(open); n != "" {
			log.Info("the instance must terminate", "notice", n)
			m.deregister(ctx, n, log)
			fence()
		}
	}()
	launched := make(chan struct{})
	go func() { defer close(launched); m.completeLaunch(open, log) }()
	err := run(open)
	fence()
	<-watched
	<-launched
	return errors.Join(err, m.completeHook(ctx, err))
}

// deregister notes a notice. After one of spot it has the load balancer send nothing
// more: a group that ends a machine does that itself.
func (m *machine) deregister(ctx context.Context, n instance.Notice, log *slog.Logger) {
	m.mu.Lock()
	m.notice = n
	m.mu.Unlock()
	if n != instance.Spot {
		return
	}
	if err := m.ec2.Deregister(ctx); err != nil {
		log.Warn("could not deregister the instance from the load balancer, which may still send it requests", "error", err)
	}
}

// terminating says whether AWS takes the machine back, as it does after a spot notice.
func (m *machine) terminating() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notice == instance.Spot
}

// stopped says whether SIGTERM has come.
func (m *machine) stopped() bool {
	select {
	case <-m.stopping:
		return true
	default:
		return false
	}
}

// linger returns when the load balancer sends no more requests: when the group's
// hook waits for this machine or, after a spot notice, when the deregistration has
// terminating effect. After SIGTERM nobody deregisters it, and it returns at once.
func (m *machine) linger(log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, hookTime)
		defer cancel()
		go func() {
			select {
			case <-m.stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		if m.terminating() {
			_ = settle.Sleep(ctx, spotLinger)
		} else if err := m.ec2.AwaitHook(ctx); err != nil && !m.stopped() {
			log.Warn("the group's termination hook does not wait for this instance; the worker drains now", "error", err)
		}
	}
}

// completeHook completes the group's hook for a machine that the controller or the group
// ends, be it drained or declared dead. After a spot notice AWS ends it, and after
// SIGTERM the init system.
func (m *machine) completeHook(ctx context.Context, ended error) error {
	if m.terminating() || m.stopped() || ended != nil && !errors.Is(ended, platform.ErrRevoked) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	return m.ec2.Complete(ctx)
}
