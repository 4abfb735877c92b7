package infra

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// warmRules hold a pool's warm instances, with the group, its hooks, its machines and
// the controller, which must all know of them.
func warmRules() []rule {
	return []rule{{"the launch hook waits until a worker serves; warm instances are stopped, of a fixed number, and known to the controller", warmFaults, func(a assembly) {
		hooks := a.group().Properties["LifecycleHookSpecificationList"].([]any)
		a.group().Properties["LifecycleHookSpecificationList"] = hooks[:1]
	}}}
}

func warmFaults(a assembly) (bad []string) {
	read := false
	for i, id := range a.t.of("AutoScaling::AutoScalingGroup") {
		p := a.plan.pools[i]
		read = read || p.Warm > 0
		if fault := a.warmFault(id, p); fault != "" {
			bad = append(bad, p.name+": "+fault)
		}
	}
	if mayRead := slices.Contains(a.actions(a.roleOf("controller")), "autoscaling:DescribeWarmPool"); mayRead != read {
		bad = append(bad, "the controller may read warm pools, or may not")
	}
	return bad
}

func (a assembly) warmFault(group string, p poolPlan) string {
	g := a.t.Resources[group]
	pools := slices.DeleteFunc(a.t.of("AutoScaling::WarmPool"), func(id string) bool { return refers(a.t.Resources[id].prop("AutoScalingGroupName")) != group })
	hook := map[string]any{}
	for _, h := range list(g.prop("LifecycleHookSpecificationList")) {
		if at(h, "LifecycleHookName") == names.LaunchHook {
			hook = h.(map[string]any)
		}
	}
	if hook["LifecycleTransition"] != "autoscaling:EC2_INSTANCE_LAUNCHING" || hook["DefaultResult"] != "ABANDON" ||
		number(hook["HeartbeatTimeout"]) < 30 || number(hook["HeartbeatTimeout"]) > 7200 {
		return "an instance is in service before its worker serves"
	}
	if p.Warm == 0 {
		if len(pools) > 0 {
			return "there is a warm pool"
		}
		return ""
	}
	if len(pools) != 1 {
		return "it has not one warm pool"
	}
	w := a.t.Resources[pools[0]]
	switch n := float64(p.Warm); {
	case w.prop("PoolState") != "Stopped", number(w.prop("MinSize")) != n, number(w.prop("MaxGroupPreparedCapacity")) != n:
		return "its instances are not stopped, or not so many"
	case w.prop("InstanceReusePolicy", "ReuseOnScaleIn") != false:
		return "workers that have left would return"
	}
	return ""
}
