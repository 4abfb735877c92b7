package instance

import (
	"context"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Target is what a group has a machine do next.
type Target string

// The targets: to serve, to wait in the warm pool until the group needs it, or to end.
const (
	Serve Target = "serve"
	Wait  Target = "wait in the warm pool"
	End   Target = "end"
)

// Target returns what the group has this machine do next. Metadata that cannot be read
// is asked again until ctx ends: a machine that takes itself for a worker would serve,
// and then be stopped or ended.
func (m *Machine) Target(ctx context.Context) (Target, error) {
	for {
		v, err := m.get(ctx, targetState)
		if err == nil {
			return targetOf(v), nil
		}
		if !m.pause(ctx) {
			return "", err
		}
	}
}

// targetOf reads a target lifecycle state.
func targetOf(state string) Target {
	switch {
	case state == "Terminated" || state == names.WarmState+"Terminated":
		return End
	case strings.HasPrefix(state, names.WarmState):
		return Wait
	}
	return Serve
}

// CompleteLaunch reports to the group's launch hook that this machine is prepared for the
// warm pool, or that it serves, as soon as the hook waits.
func (m *Machine) CompleteLaunch(ctx context.Context) error { return m.complete(ctx, names.LaunchHook) }

// AwaitService returns true once the group takes this machine out of its warm pool
// without having stopped it, and false when ctx or the machine ends before.
func (m *Machine) AwaitService(ctx context.Context) bool {
	for m.pause(ctx) {
		if v, err := m.get(ctx, targetState); err == nil && targetOf(v) != Wait {
			return targetOf(v) == Serve
		}
	}
	return false
}

// pause returns after the machine's interval of questions; false when ctx ends before.
func (m *Machine) pause(ctx context.Context) bool {
	t := time.NewTimer(m.every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
