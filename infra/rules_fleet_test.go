package infra

import (
	"debug/elf"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func fleetRules() []rule {
	return []rule{
		{"no group has a desired capacity", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				if a.t.Resources[id].prop("DesiredCapacity") != nil {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["DesiredCapacity"] = "1" }},
		{"a group has the pool's name and bounds", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				g := a.t.named("AutoScaling::AutoScalingGroup", "AutoScalingGroupName", names.Group(a.cfg.Stage, p.name))
				if number(g.prop("MinSize")) != float64(p.Min) || number(g.prop("MaxSize")) != float64(p.Max) {
					bad = append(bad, p.name)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["MaxSize"] = "1000" }},
		{"the worker's binary has the architecture of the machine image", binaryFaults, func(a assembly) {
			a.of[a.workerAsset(a.t.of("EC2::LaunchTemplate")[0])] = elf.EM_AARCH64
		}},
		{"every instance type exists and has the architecture of the machine image", archFaults, func(a assembly) {
			at(a.group().Properties, "MixedInstancesPolicy", "LaunchTemplate", "Overrides", 0).(map[string]any)["InstanceType"] = "c7g.large"
		}},
		{"each group has the on-demand base and the share of spot instances of its pool", func(a assembly) (bad []string) {
			for i, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				d, p := a.t.Resources[id].prop("MixedInstancesPolicy", "InstancesDistribution"), a.plan.pools[i]
				if number(at(d, "OnDemandBaseCapacity")) != float64(p.OnDemandBase) ||
					number(at(d, "OnDemandPercentageAboveBaseCapacity")) != float64(100-p.SpotPercent) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			at(a.group().Properties, "MixedInstancesPolicy", "InstancesDistribution").(map[string]any)["OnDemandPercentageAboveBaseCapacity"] = 37.0
		}},
	}
}

func drainRules() []rule {
	return []rule{
		{"a group uses the latest version of its launch template, without capacity rebalancing", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				g := a.t.Resources[id]
				v := g.prop("MixedInstancesPolicy", "LaunchTemplate", "LaunchTemplateSpecification", "Version", "Fn::GetAtt", 1)
				if v != "LatestVersionNumber" || g.prop("CapacityRebalance") != false {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["CapacityRebalance"] = true }},
		{"no group protects its instances from scale-in, because the stack could then not be deleted", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				if a.t.Resources[id].prop("NewInstancesProtectedFromScaleIn") == true {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["NewInstancesProtectedFromScaleIn"] = true }},
		{"a termination hook gives a worker time to drain", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				h := a.t.Resources[id].prop("LifecycleHookSpecificationList", 0)
				if at(h, "LifecycleHookName") != names.TerminationHook || at(h, "LifecycleTransition") != "autoscaling:EC2_INSTANCE_TERMINATING" ||
					at(h, "DefaultResult") != "CONTINUE" || number(at(h, "HeartbeatTimeout")) < a.cfg.tuned().LeaseSeconds+30 {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			at(a.group().Properties, "LifecycleHookSpecificationList", 0).(map[string]any)["LifecycleTransition"] = "autoscaling:EC2_INSTANCE_LAUNCHING"
		}},
		{"zone rebalancing is suspended in every group", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				found := false
				for _, id := range a.t.of("Scheduler::Schedule") {
					in, _ := a.t.Resources[id].prop("Target", "Input").(string)
					found = found || strings.Contains(in, `"`+names.Group(a.cfg.Stage, p.name)+`"`) && strings.Contains(in, `["AZRebalance"]`) &&
						strings.HasSuffix(flat(a.t.Resources[id].prop("Target", "Arn")), ":autoscaling:suspendProcesses")
				}
				if !found {
					bad = append(bad, p.name)
				}
			}
			return bad
		}, func(a assembly) {
			a.schedule("zones-general").prop("Target").(map[string]any)["Input"] = `{"AutoScalingGroupName":"paragon-dev-general","ScalingProcesses":["Launch"]}`
		}},
	}
}

// image is what a launch template runs, with the architecture at its end.
func (a assembly) image(id any) string {
	if pinned := list(at(id, "Fn::FindInMap")); len(pinned) == 3 && refers(pinned[1]) == "AWS::Region" {
		arch := strings.Replace(fmt.Sprint(pinned[2]), "x8664", "x86_64", 1)
		for _, region := range keys(a.cfg.Images) {
			if at(a.t.Mappings, pinned[0], region, pinned[2]) != a.cfg.Images[region][arch] {
				return "none"
			}
		}
		return "-" + arch
	}
	name, _ := a.t.Parameters[refers(id)]["Default"].(string)
	return name
}

// binaryFaults compares the package of a machine with its image.
func binaryFaults(a assembly) (bad []string) {
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		image := a.image(a.t.Resources[id].prop("LaunchTemplateData", "ImageId"))
		arch := image[strings.LastIndex(image, "-")+1:]
		if got := a.of[a.workerAsset(id)]; got != machines[arch] || got == elf.EM_NONE {
			bad = append(bad, fmt.Sprintf("%s: a binary for %v on image %q", id, got, image))
		}
	}
	return bad
}

// archFaults looks an instance type up in the profiles, as no validator knows
// a typo in one, and follows the group to its image.
func archFaults(a assembly) (bad []string) {
	set, err := a.cfg.load()
	if err != nil {
		return faultf("%v", err)
	}
	c, err := set.Catalogue(a.cfg.Catalogue)
	if err != nil {
		return faultf("%v", err)
	}
	for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
		g := a.t.Resources[id]
		launch := a.t.Resources[refers(g.prop("MixedInstancesPolicy", "LaunchTemplate", "LaunchTemplateSpecification", "LaunchTemplateId"))]
		image := a.image(launch.prop("LaunchTemplateData", "ImageId"))
		types := list(g.prop("MixedInstancesPolicy", "LaunchTemplate", "Overrides"))
		if len(types) == 0 {
			bad = append(bad, id+" has no instance type")
		}
		for _, o := range types {
			typ, _ := at(o, "InstanceType").(string)
			in, ok := c.Instance(typ)
			if !ok || !strings.HasSuffix(image, "-"+in.Arch) {
				bad = append(bad, fmt.Sprintf("%s: %q on image %q", id, typ, image))
			}
		}
	}
	return bad
}
