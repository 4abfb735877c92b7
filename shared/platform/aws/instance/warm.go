package instance

import (
	"context"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Warmed reports whether the group prepares this machine for its warm pool, where it
// is stopped until the group needs it. Metadata that cannot be read is asked again
// until ctx ends: a machine that takes itself for a worker would serve, and then be
// stopped.
func (m *Machine) Warmed(ctx context.Context) (bool, error) {
	for {
		v, err := m.get(ctx, targetState)
		if err == nil {
			return strings.HasPrefix(v, names.WarmState), nil
		}
		if !m.pause(ctx) {
			return false, err
		}
	}
}

// CompleteLaunch tells the group's launch hook that this machine is prepared for the
// warm pool, or that it serves, as soon as the hook waits.
func (m *Machine) CompleteLaunch(ctx context.Context) error { return m.complete(ctx, names.LaunchHook) }

// AwaitService returns true once the group takes this machine out of its warm pool
// without having stopped it, and false when ctx or the machine ends before.
func (m *Machine) AwaitService(ctx context.Context) bool {
	for m.pause(ctx) {
		if m.terminating(ctx) {
			return false
		}
		if v, err := m.get(ctx, targetState); err == nil && !strings.HasPrefix(v, names.WarmState) {
			return true
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
