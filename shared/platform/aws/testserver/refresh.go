package testserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// refresh is a group's replacement of the instances that it had when a release came.
type refresh struct {
	old          []string
	leastPercent int // of the instances that are desired, which serve meanwhile
}

// Refresh has a group replace its instances, as an instance refresh does: some are
// ended, and the next ones when those in their places serve. With launch hooks an
// instance serves once it has completed its own. It takes the place of the refresh
// before it.
func (g *Groups) Refresh(group string, leastPercent int, instances ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refreshes == nil {
		g.refreshes = map[string]*refresh{}
	}
	g.refreshes[group] = &refresh{slices.Clone(instances), leastPercent}
}

// Replaced says whether a group's refresh has replaced every instance.
func (g *Groups) Replaced(group string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.refreshes[group].left()) == 0
}

// left are the instances that are to be replaced yet.
func (f *refresh) left() []string {
	if f == nil {
		return nil
	}
	return f.old
}

// serves says whether an instance of a group is in service.
func (g *Groups) serves(id string) bool {
	return g.exits[id] == nil && (!g.LaunchHooks || g.launched[id] > 0)
}

// replaceNext ends the instances of a group that its refresh may end now: those that
// do not serve, and of those that do as many of the desired ones as may be missing, one at
// least. A group has fewer than are desired while one that was ended is replaced.
func (g *Groups) replaceNext(group string, desired int, ids []string, r *http.Request) {
	f := g.refreshes[group]
	if f == nil {
		return
	}
	f.old = slices.DeleteFunc(f.old, func(id string) bool { return !slices.Contains(ids, id) })
	missing, may := desired, max(1, desired*(100-f.leastPercent)/100)
	for _, id := range ids {
		if g.serves(id) {
			missing--
		}
	}
	for _, id := range f.old {
		if g.exits[id] != nil || g.serves(id) && missing >= may {
			continue
		}
		if g.serves(id) {
			missing++
		}
		g.beginLocked(with(r, url.Values{"Action": {"TerminateInstanceInAutoScalingGroup"}, "Version": {"2011-01-01"},
			"InstanceId": {id}, "ShouldDecrementDesiredCapacity": {"false"}}).WithContext(context.Background()), id, false)
	}
}
