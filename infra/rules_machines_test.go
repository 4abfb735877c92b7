package infra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func machineRules() []rule {
	return []rule{
		{"instance metadata requires a token (IMDSv2)", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				m := a.t.Resources[id].prop("LaunchTemplateData", "MetadataOptions")
				if at(m, "HttpTokens") != "required" || number(at(m, "HttpPutResponseHopLimit")) != 1 {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.launch()["MetadataOptions"].(map[string]any)["HttpTokens"] = "optional" }},
		{"an instance's disk is gp3, encrypted, and deleted with the instance", func(a assembly) (bad []string) {
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
		{"an instance and its disk have the stage's tag", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				tagged := map[any]bool{}
				for _, spec := range list(a.t.Resources[id].prop("LaunchTemplateData", "TagSpecifications")) {
					for _, tag := range list(at(spec, "Tags")) {
						if at(tag, "Key") == stageTag && at(tag, "Value") == a.cfg.Stage {
							tagged[at(spec, "ResourceType")] = true
						}
					}
				}
				if !tagged["instance"] || !tagged["volume"] {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { delete(a.launch(), "TagSpecifications") }},
		{"the user data is smaller than 16 KB", func(a assembly) (bad []string) {
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
		{"the user data installs a sandboxed systemd unit with the stage's variables", userDataFaults, func(a assembly) {
			join := at(a.launch(), "UserData", "Fn::Base64", "Fn::Join").([]any)
			for i, part := range list(join[1]) {
				if s, ok := part.(string); ok {
					list(join[1])[i] = strings.ReplaceAll(s, "NoNewPrivileges=yes", "")
				}
			}
		}},
	}
}

func networkRules() []rule {
	return []rule{
		{"security groups admit no traffic from outside the stage", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::SecurityGroup") {
				if len(list(a.t.Resources[id].prop("SecurityGroupIngress"))) > 0 {
					bad = append(bad, id)
				}
			}
			return append(bad, pathFaults(a)...)
		}, func(a assembly) {
			a.t.Resources[a.t.of("EC2::SecurityGroup")[0]].Properties["SecurityGroupIngress"] = []any{map[string]any{"CidrIp": "0.0.0.0/0"}}
		}},
		{"schedules remove the rules of the default security group", func(a assembly) (bad []string) {
			for name, action := range map[string]string{"close-ingress": "revokeSecurityGroupIngress", "close-egress": "revokeSecurityGroupEgress"} {
				target := a.schedule(name).prop("Target")
				group := refers(at(target, "Input", "Fn::Join", 1, 1))
				role := a.t.Resources[refers(at(target, "RoleArn"))]
				if !strings.HasSuffix(flat(at(target, "Arn")), ":aws-sdk:ec2:"+action) || group == "" ||
					!strings.Contains(flat(role.prop("Policies")), "DefaultSecurityGroup") {
					bad = append(bad, name)
				}
			}
			return bad
		}, func(a assembly) {
			a.schedule("close-egress").prop("Target").(map[string]any)["Input"] = "{}"
		}},
		{"private workers reach only the endpoints, and public workers have public addresses", networkFaults, func(a assembly) {
			a.t.Resources["Nat"] = &resource{Type: "AWS::EC2::NatGateway"}
		}},
	}
}

// pathFaults compares what groups let in from one another with the path of a
// query: gateway, load balancer, worker, and a worker's peers.
func pathFaults(a assembly) (bad []string) {
	var want, got []string
	if a.cfg.Network == private {
		want = append(want, "Endpoints from Workers 443")
	}
	if a.cfg.onWorkers() {
		want = append(want, "Balancer from Link 80", "Workers from Balancer 8080", "Workers from Workers 8080")
	}
	group := func(v any) string {
		for _, name := range []string{"Endpoints", "Workers", "Balancer", "Link"} {
			if strings.HasPrefix(refers(v), name) {
				return name
			}
		}
		return flat(v)
	}
	for _, id := range a.t.of("EC2::SecurityGroupIngress") {
		r := a.t.Resources[id]
		if number(r.prop("FromPort")) != number(r.prop("ToPort")) {
			bad = append(bad, id)
		}
		got = append(got, fmt.Sprintf("%s from %s %v", group(r.prop("GroupId")), group(r.prop("SourceSecurityGroupId")), number(r.prop("FromPort"))))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		bad = append(bad, fmt.Sprintf("%q may come in, want %q", got, want))
	}
	return bad
}

// userDataFaults holds the script to the unit's confinement and to the
// variables without which the worker does not start.
func userDataFaults(a assembly) (bad []string) {
	for _, id := range a.t.of("EC2::LaunchTemplate") {
		script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))
		wanted := []string{"#!/bin/bash", "NoNewPrivileges=yes", "ProtectSystem=strict", "User=paragon", "CapabilityBoundingSet=\n",
			"SystemCallFilter=@system-service", "CacheDirectory=paragon\n", "Type=notify\n", "WatchdogSec=3\n", "StartLimitAction=poweroff\n", "systemctl enable --now paragon-journal.service paragon-worker.service", "\n" + names.WorkerLogGroup + "=${WorkerLog", "/opt/paragon/bootstrap journal", "\nAWS_REGION=${AWS::Region}\n"}
		for _, name := range []string{names.Stage, names.StateTable, names.RecordsTable, names.Bucket, names.QueueURLPrefix, environment.Pool, environment.Catalogue} {
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

// networkFaults counts the endpoints of each kind of network.
func networkFaults(a assembly) (bad []string) {
	endpoints := map[string]int{}
	for _, id := range a.t.of("EC2::VPCEndpoint") {
		kind, _ := a.t.Resources[id].prop("VpcEndpointType").(string)
		endpoints[kind]++
	}
	interfaceEndpoints, addresses := len(a.cfg.endpoints()), false
	if a.cfg.Network == public {
		interfaceEndpoints, addresses = 0, true
	}
	if endpoints["Interface"] != interfaceEndpoints || endpoints["Gateway"] != 2 || len(a.t.of("EC2::NatGateway")) > 0 {
		bad = append(bad, fmt.Sprintf("endpoints %v, want %d interfaces, 2 gateways and no NAT", endpoints, interfaceEndpoints))
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
