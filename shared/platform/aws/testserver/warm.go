package testserver

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// LaunchHook is the name of the hook that the instances of a group with a warm pool
// complete when they are prepared, and when they serve.
const LaunchHook = "launch"

// warmInstance is an instance of a group's warm pool. The server takes it for one of
// the group, which it is not until the group takes it.
type warmInstance struct {
	group    string
	prepared bool
}

// Warm puts the instance that launch has the server launch for a group into its warm
// pool, and returns it. No call passes meanwhile: to the server it is one of the group.
// launch calls the server itself.
func (g *Groups) Warm(group string, launch func() string) string {
	g.launching.Lock()
	defer g.launching.Unlock()
	instance := launch()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.warm == nil {
		g.warm = map[string]*warmInstance{}
	}
	g.warm[instance] = &warmInstance{group: group}
	return instance
}

// InWarmPool says whether an instance is in its group's warm pool.
func (g *Groups) InWarmPool(instance string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.warm[instance] != nil
}

// Launched is how often an instance has completed its group's launch hook.
func (g *Groups) Launched(instance string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.launched[instance]
}

// warmCount counts the instances of warm pools.
func (g *Groups) warmCount() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.warm)
}

// show notes a desired capacity that is described.
func (g *Groups) show(desired int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shown = desired
	return desired
}

// takeWarm takes the places that are desired more out of the warm pool, those that
// are prepared, before the server launches any: it counts those that are left.
func (g *Groups) takeWarm(form url.Values) url.Values {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, err := strconv.Atoi(form.Get("DesiredCapacity"))
	if err != nil {
		return form
	}
	shrinking := 0
	for _, e := range g.exits {
		if e.shrink {
			shrinking++
		}
	}
	for id, w := range g.warm {
		if n-shrinking > g.shown && w.prepared {
			delete(g.warm, id)
			g.shown++
		}
	}
	form.Set("DesiredCapacity", strconv.Itoa(n+len(g.warm)))
	return form
}

// warmPool describes a group's warm pool.
func (g *Groups) warmPool(group string) (list string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, w := range g.warm {
		if w.group == group {
			state := "Warmed:Pending:Wait"
			if w.prepared {
				state = "Warmed:Stopped"
			}
			list += fmt.Sprintf("<member><InstanceId>%s</InstanceId><AvailabilityZone>us-east-1a</AvailabilityZone><LifecycleState>%s</LifecycleState><HealthStatus>Healthy</HealthStatus></member>", id, state)
		}
	}
	return g.warmConfiguration() + "<Instances>" + list + "</Instances>"
}

// warmConfiguration describes the warm pool of a group that has one.
func (g *Groups) warmConfiguration() string {
	if !g.WarmPools {
		return ""
	}
	return "<WarmPoolConfiguration><MinSize>1</MinSize><PoolState>Stopped</PoolState></WarmPoolConfiguration>"
}

// launchHook completes the launch hook for an instance: it is prepared, or it serves.
func (g *Groups) launchHook(r *http.Request, id, action string) *http.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	if action == "CompleteLifecycleAction" {
		if g.launched == nil {
			g.launched = map[string]int{}
		}
		g.launched[id]++
		if w := g.warm[id]; w != nil {
			w.prepared = true
		}
	}
	return answer(r, http.StatusOK, action, "")
}
