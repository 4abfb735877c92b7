package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"paragon/shared/platform"
	"paragon/shared/platform/aws/instance"
	"paragon/shared/platform/aws/names"
)

// ec2 is what is asked of an EC2 instance.
type ec2 interface {
	Watch(ctx context.Context) instance.Notice
	Deregister(ctx context.Context) error
	Leave(ctx context.Context, shrink bool) error
	Complete(ctx context.Context) error
}

// leaveTime bounds the leaving: what is not done by then, the group's own
// timeout does.
const leaveTime = 90 * time.Second

// machine is what a worker runs on. The zero value is one that nobody watches:
// a child process, whose parent knows best.
type machine struct {
	ec2      ec2
	id, kind string
	ip       string // within its network; empty when it is not known
}

// findMachine looks at the instance when the environment names a stage but no
// worker: the stack starts workers so.
func findMachine(ctx context.Context, env func(string) string) (machine, error) {
	if env(names.LocalURL) != "" || env(names.Stage) == "" || env(names.WorkerID) != "" {
		return machine{}, nil
	}
	m, err := instance.Find(ctx, env(names.Stage), env(names.Pool), env(names.TargetGroup))
	if err != nil {
		return machine{}, err
	}
	return machine{ec2: m, id: m.ID, kind: m.Type, ip: m.IP}, nil
}

// environment adds what the machine knows of itself to the environment.
func (m machine) environment(env func(string) string) func(string) string {
	if m.ec2 == nil {
		return env
	}
	known := map[string]string{names.WorkerID: m.id, names.InstanceType: m.kind, names.Runners: strconv.Itoa(runtime.NumCPU())}
	return func(key string) string {
		if v := env(key); v != "" {
			return v
		}
		return known[key]
	}
}

// addr is the address to listen at as peers reach it.
func (m machine) addr(listen string) string {
	if m.ip != "" && strings.HasPrefix(listen, ":") {
		return m.ip + listen
	}
	return listen
}

func (m machine) settingsEvery() time.Duration {
	if m.ec2 == nil {
		return settingsEvery
	}
	return settingsEveryInGroup
}

// serve runs a worker until it has drained, for which a notice to the machine,
// SIGTERM and the fleet's orders are one path, and then sees the machine off.
func (m machine) serve(ctx context.Context, run func(context.Context) error, log *slog.Logger) error {
	if m.ec2 == nil {
		return run(ctx)
	}
	open, fence := context.WithCancel(ctx)
	defer fence()
	noticed := make(chan instance.Notice, 1)
	go func() {
		n := m.ec2.Watch(open)
		if n != "" {
			log.Info("the machine is to end", "notice", n)
			m.turnAway(ctx, n, log)
			fence()
		}
		noticed <- n
	}()
	err := run(open)
	drained := open.Err() == nil // by orders, or declared dead
	fence()
	return errors.Join(err, m.seeOff(ctx, <-noticed, drained, err))
}

// turnAway has the load balancer send nothing more after a spot notice. A group
// that ends a machine does so itself before it says so.
func (m machine) turnAway(ctx context.Context, n instance.Notice, log *slog.Logger) {
	if n != instance.Spot {
		return
	}
	if err := m.ec2.Deregister(ctx); err != nil {
		log.Warn("requests may still come to a machine that ends", "error", err)
	}
}

// seeOff ends the machine, unless whoever fenced it does: AWS after a spot
// notice, and the init system after SIGTERM. A worker that was drained takes
// its place in the group with it; one that was declared dead is replaced.
func (m machine) seeOff(ctx context.Context, n instance.Notice, drained bool, ended error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	switch {
	case n == instance.Terminate:
		return m.ec2.Complete(ctx)
	case drained && (ended == nil || errors.Is(ended, platform.ErrRevoked)):
		return m.ec2.Leave(ctx, ended == nil)
	}
	return nil
}
