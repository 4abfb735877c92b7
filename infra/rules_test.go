package main

import (
	"fmt"
	"slices"
	"strings"

	"paragon/profiles"
	"paragon/shared/cloud"
	"paragon/shared/cloud/aws/names"
	coreinference "paragon/shared/core/inference"
	"paragon/shared/core/settings"
)

// rule is one thing that no validator sees and that must hold of a template.
// breaks changes a good template so that this rule, and no other, fails.
type rule struct {
	name   string
	faults func(assembly) []string
	breaks func(assembly)
}

func faultf(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

// rules lists them, by concern.
func rules() []rule {
	return slices.Concat(fleetRules(), queueRules(), functionRules(), permissionRules(), intakeRules(), dataRules(), controlRules())
}

// group, launch and queue find what the mutations break.
func (a assembly) group() *resource { return a.t.Resources[a.t.of("AutoScaling::AutoScalingGroup")[0]] }

func (a assembly) launch() map[string]any {
	return a.t.Resources[a.t.of("EC2::LaunchTemplate")[0]].prop("LaunchTemplateData").(map[string]any)
}

func (a assembly) queue(q cloud.QueueName) *resource {
	return a.t.named("SQS::Queue", "QueueName", names.Queue(a.cfg.Stage, q))
}

func (a assembly) function(name string) *resource {
	return a.t.named("Lambda::Function", "FunctionName", names.Function(a.cfg.Stage, name))
}

// functionIDs are Paragon's functions.
func (a assembly) inferenceNames() (list []string) {
	for _, m := range a.plan.models {
		for _, mb := range a.plan.sizes {
			if mb >= m.MemoryMB {
				list = append(list, names.Function(a.cfg.Stage, coreinference.FunctionName(m.Name, mb)))
			}
		}
	}
	slices.Sort(list)
	return list
}

func (a assembly) isInference(r *resource) bool {
	name, _ := r.prop("FunctionName").(string)
	return strings.HasPrefix(name, names.Function(a.cfg.Stage, "inference-"))
}

func fleetRules() []rule {
	return []rule{
		{"no group says how many workers are desired", func(a assembly) (bad []string) {
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
		{"every instance type exists, and its architecture is the image's and the binary's", archFaults, func(a assembly) {
			at(a.group().Properties, "MixedInstancesPolicy", "LaunchTemplate", "Overrides", 0).(map[string]any)["InstanceType"] = "c7g.large"
		}},
		{"the base is on demand and the rest as much spot as asked", func(a assembly) (bad []string) {
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
		{"a group runs the newest of its launch template and leaves rebalancing alone", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				g := a.t.Resources[id]
				v := g.prop("MixedInstancesPolicy", "LaunchTemplate", "LaunchTemplateSpecification", "Version", "Fn::GetAtt", 1)
				if v != "LatestVersionNumber" || g.prop("CapacityRebalance") != false {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["CapacityRebalance"] = true }},
		{"a worker that is to end drains first", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				h := a.t.Resources[id].prop("LifecycleHookSpecificationList", 0)
				if at(h, "LifecycleHookName") != names.TerminationHook || at(h, "LifecycleTransition") != "autoscaling:EC2_INSTANCE_TERMINATING" ||
					at(h, "DefaultResult") != "CONTINUE" || number(at(h, "HeartbeatTimeout")) < 60 {
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
		{"a machine asks for its metadata by token alone", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				m := a.t.Resources[id].prop("LaunchTemplateData", "MetadataOptions")
				if at(m, "HttpTokens") != "required" || number(at(m, "HttpPutResponseHopLimit")) != 1 {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.launch()["MetadataOptions"].(map[string]any)["HttpTokens"] = "optional" }},
		{"a machine's disk is gp3, encrypted, and goes with it", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				e := a.t.Resources[id].prop("LaunchTemplateData", "BlockDeviceMappings", 0, "Ebs")
				if at(e, "Encrypted") != true || at(e, "VolumeType") != "gp3" || at(e, "DeleteOnTermination") != true {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			at(a.launch(), "BlockDeviceMappings", 0, "Ebs").(map[string]any)["Encrypted"] = false
		}},
		{"the user data keeps below 16 KB", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				if n := len(flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))); n == 0 || n > 15<<10 {
					bad = append(bad, fmt.Sprintf("%s: %d bytes", id, n))
				}
			}
			return bad
		}, func(a assembly) {
			join := at(a.launch(), "UserData", "Fn::Base64", "Fn::Join").([]any)
			join[1] = append(list(join[1]), strings.Repeat("#", 16<<10))
		}},
		{"the user data sets up a confined unit that knows its home", userDataFaults, func(a assembly) {
			join := at(a.launch(), "UserData", "Fn::Base64", "Fn::Join").([]any)
			for i, part := range list(join[1]) {
				if s, ok := part.(string); ok {
					list(join[1])[i] = strings.ReplaceAll(s, "NoNewPrivileges=yes", "")
				}
			}
		}},
		{"nothing may come in from outside", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::SecurityGroup") {
				if len(list(a.t.Resources[id].prop("SecurityGroupIngress"))) > 0 {
					bad = append(bad, id)
				}
			}
			for _, id := range a.t.of("EC2::SecurityGroupIngress") {
				if r := a.t.Resources[id]; refers(r.prop("SourceSecurityGroupId")) == "" || number(r.prop("FromPort")) != 443 || number(r.prop("ToPort")) != 443 {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("EC2::SecurityGroup")[0]].Properties["SecurityGroupIngress"] = []any{map[string]any{"CidrIp": "0.0.0.0/0"}}
		}},
		{"private machines have no way out but the endpoints, public ones have addresses", networkFaults, func(a assembly) {
			delete(a.t.Resources, a.t.of("EC2::VPCEndpoint")[0])
		}},
	}
}

// archFaults looks an instance type up in the profiles, as no validator knows
// a typo in one, and follows the group to its image and its binary.
func archFaults(a assembly) (bad []string) {
	set, err := profiles.Load("")
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
		image, _ := a.t.Parameters[refers(launch.prop("LaunchTemplateData", "ImageId"))]["Default"].(string)
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

// userDataFaults holds the script to the unit's confinement and to the
// variables without which the worker does not start.
func userDataFaults(a assembly) (bad []string) {
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))
		wanted := []string{"#!/bin/bash", "NoNewPrivileges=yes", "ProtectSystem=strict", "User=paragon", "CapabilityBoundingSet=\n",
			"SystemCallFilter=@system-service", "systemctl enable --now paragon-worker.service", "\nAWS_REGION=${AWS::Region}\n"}
		for _, name := range []string{names.Stage, names.Table, names.StateTable, names.Bucket, names.QueueURLPrefix, names.Pool, names.Catalogue} {
			wanted = append(wanted, "\n"+name+"=")
		}
		for _, w := range wanted {
			if !strings.Contains(script, w) {
				bad = append(bad, fmt.Sprintf("%s lacks %q", id, w))
			}
		}
		if strings.Contains(script, "<no value>") || strings.Contains(script, "${Token") {
			bad = append(bad, id+" has a hole")
		}
	}
	return bad
}

// networkFaults counts the doors of each kind of network.
func networkFaults(a assembly) (bad []string) {
	doors := map[string]int{}
	for _, id := range a.t.of("EC2::VPCEndpoint") {
		kind, _ := a.t.Resources[id].prop("VpcEndpointType").(string)
		doors[kind]++
	}
	interfaceDoors, addresses := len(interfaces), false
	if a.cfg.Network == public {
		interfaceDoors, addresses = 0, true
	}
	if doors["Interface"] != interfaceDoors || doors["Gateway"] != 2 || len(a.t.of("EC2::NatGateway")) > 0 {
		bad = append(bad, fmt.Sprintf("endpoints %v, want %d interfaces, 2 gateways and no NAT", doors, interfaceDoors))
	}
	if (len(a.t.of("EC2::InternetGateway")) > 0) != addresses {
		bad = append(bad, "an internet gateway, or none, against the network option")
	}
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		given := a.t.Resources[id].prop("LaunchTemplateData", "NetworkInterfaces", 0, "AssociatePublicIpAddress") == true
		if given != addresses {
			bad = append(bad, fmt.Sprintf("%s: public address %v", id, given))
		}
	}
	return bad
}

func queueRules() []rule {
	return []rule{
		{"every queue of the stage is there", func(a assembly) (bad []string) {
			want := []cloud.QueueName{cloud.Overflow, cloud.DeadLetters}
			for _, p := range a.plan.pools {
				want = append(want, cloud.WorkQueue(p.name, "strict"), cloud.WorkQueue(p.name, "relaxed"))
			}
			for _, q := range want {
				if a.queue(q) == nil {
					bad = append(bad, string(q))
				}
			}
			if n := len(a.t.of("SQS::Queue")); n != len(want) {
				bad = append(bad, fmt.Sprintf("%d queues, want %d", n, len(want)))
			}
			return bad
		}, func(a assembly) { a.queue(cloud.Overflow).Properties["QueueName"] = "paragon-dev-overflows" }},
		{"every queue but the dead letters has the dead letters behind it", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SQS::Queue") {
				q := a.t.Resources[id]
				dead := a.t.Resources[refers(q.prop("RedrivePolicy", "deadLetterTargetArn"))]
				last := q.prop("QueueName") == names.Queue(a.cfg.Stage, cloud.DeadLetters)
				if last != (dead == nil) || !last && dead.prop("QueueName") != names.Queue(a.cfg.Stage, cloud.DeadLetters) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { delete(a.queue(cloud.Overflow).Properties, "RedrivePolicy") }},
		{"every queue is encrypted", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SQS::Queue") {
				if a.t.Resources[id].prop("SqsManagedSseEnabled") != true {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.queue(cloud.Overflow).Properties["SqsManagedSseEnabled"] = false }},
		{"every queue, topic and bucket takes TLS alone", tlsFaults, func(a assembly) {
			delete(a.t.Resources, a.t.of("SQS::QueuePolicy")[0])
		}},
		{"a message is hidden for six times its consumer's time", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Lambda::EventSourceMapping") {
				m := a.t.Resources[id]
				q, f := a.t.Resources[refers(m.prop("EventSourceArn"))], a.t.Resources[refers(m.prop("FunctionName"))]
				if number(q.prop("VisibilityTimeout")) < 6*number(f.prop("Timeout")) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.queue(cloud.Overflow).Properties["VisibilityTimeout"] = 359.0 }},
		{"a queue takes a message with the largest inline input", func(a assembly) (bad []string) {
			s, err := settings.Parse(a.cfg.Settings)
			if err != nil {
				return faultf("%v", err)
			}
			for _, id := range a.t.of("SQS::Queue") {
				if n := number(a.t.Resources[id].prop("MaximumMessageSize")); n < float64(s.InlineLimitKB)*1024*4/3+16<<10 {
					bad = append(bad, fmt.Sprintf("%s: %v bytes", id, n))
				}
			}
			return bad
		}, func(a assembly) { a.queue(cloud.Overflow).Properties["MaximumMessageSize"] = float64(256 << 10) }},
		{"giving back does not burn a message", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				for _, q := range []cloud.QueueName{cloud.WorkQueue(p.name, "strict"), cloud.WorkQueue(p.name, "relaxed")} {
					if r := a.queue(q); r != nil && number(r.prop("RedrivePolicy", "maxReceiveCount")) < 50 {
						bad = append(bad, string(q))
					}
				}
			}
			return bad
		}, func(a assembly) {
			a.queue("work-strict-general").prop("RedrivePolicy").(map[string]any)["maxReceiveCount"] = 3.0
		}},
	}
}

// tlsFaults wants a statement that denies what comes without TLS on each.
func tlsFaults(a assembly) (bad []string) {
	held := map[string]bool{}
	for kind, property := range map[string]string{"SQS::QueuePolicy": "Queues", "SNS::TopicPolicy": "Topics", "S3::BucketPolicy": "Bucket"} {
		for _, id := range a.t.of(kind) {
			p := a.t.Resources[id]
			denies := slices.ContainsFunc(list(p.prop("PolicyDocument", "Statement")), func(s any) bool {
				return at(s, "Effect") == "Deny" && at(s, "Condition", "Bool", "aws:SecureTransport") == "false"
			})
			for _, on := range list(p.prop(property)) {
				held[refers(on)] = held[refers(on)] || denies
			}
		}
	}
	for _, kind := range []string{"SQS::Queue", "SNS::Topic", "S3::Bucket"} {
		for _, id := range a.t.of(kind) {
			if !held[id] {
				bad = append(bad, id)
			}
		}
	}
	return bad
}
