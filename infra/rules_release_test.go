package infra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func releaseRules() []rule {
	return []rule{
		{"a function's new version gets a tenth of the calls first, and is rolled back if it fails", canaryFaults, func(a assembly) {
			a.t.named("CodeDeploy::DeploymentGroup", "DeploymentGroupName", "dispatcher").prop("AutoRollbackConfiguration").(map[string]any)["Enabled"] = false
		}},
		{"changed workers are replaced a few at a time, and the deployment fails if new workers do not become healthy", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				how := at(a.t.Resources[id].UpdatePolicy, "AutoScalingInstanceRefresh")
				p := at(how, "Preferences")
				if at(how, "Strategy") != "Rolling" || at(p, "SkipMatching") != true || number(at(p, "MaxHealthyPercentage")) != 100 ||
					number(at(p, "MinHealthyPercentage")) != float64(a.cfg.Release.MinHealthyPercent) || number(at(p, "InstanceWarmup")) != float64(a.cfg.Release.WarmupSeconds) {
					bad = append(bad, id)
				}
				for _, name := range words(at(p, "AlarmSpecification", "Alarms")) {
					if a.alarm(strings.TrimPrefix(name, names.Prefix(a.cfg.Stage))) == "" {
						bad = append(bad, "there is no alarm "+name)
					}
				}
				if watched := len(words(at(p, "AlarmSpecification", "Alarms"))) > 0; watched != a.cfg.Release.Alarms {
					bad = append(bad, fmt.Sprintf("%s is watched: %v", id, watched))
				}
			}
			return bad
		}, func(a assembly) {
			at(a.group().UpdatePolicy, "AutoScalingInstanceRefresh", "Preferences").(map[string]any)["MaxHealthyPercentage"] = 110.0
		}},
		{"a group is deleted after the intake and the controller's schedule, and before what its workers need to drain", orderFaults, func(a assembly) {
			a.t.Resources[a.idOfSchedule("tick")].DependsOn = nil
		}},
		{"no resource depends on itself", func(a assembly) (bad []string) {
			for _, id := range keys(a.t.Resources) {
				for _, next := range a.t.needs(id) {
					if a.t.reach(next, map[string]bool{})[id] {
						bad = append(bad, id)
						break
					}
				}
			}
			return bad
		}, func(a assembly) {
			r := a.t.Resources[refers(a.function("api").prop("Role"))]
			r.DependsOn = []any{a.idOf("api")}
		}},
	}
}

// canaryFaults follows each function that is called by an alias to its deployments.
func canaryFaults(a assembly) (bad []string) {
	called := []string{"api", "dispatcher", "controller"}
	if a.cfg.Authorizer == byKeys {
		called = append(called, "authorizer")
	}
	for _, name := range called {
		alias := a.alias(name)
		group := a.t.Resources[refers(at(alias, "DeploymentGroupName"))]
		alarm := a.t.Resources[refers(group.prop("AlarmConfiguration", "Alarms", 0, "Name"))]
		version := ""
		for _, d := range list(alarm.prop("Dimensions")) {
			if at(d, "Name") == "ExecutedVersion" {
				version = refers(at(d, "Value"))
			}
		}
		if group.prop("AutoRollbackConfiguration", "Enabled") != true || !slices.Contains(words(group.prop("AutoRollbackConfiguration", "Events")), "DEPLOYMENT_STOP_ON_ALARM") ||
			group.prop("DeploymentConfigName") != canaries[a.cfg.Release.CanaryMinutes] || group.prop("AlarmConfiguration", "Enabled") != true ||
			a.t.Resources[version] == nil || a.t.Resources[version].Type != "AWS::Lambda::Version" || a.behind(a.t.Resources[version].prop("FunctionName")) != a.function(name) {
			bad = append(bad, name)
		}
	}
	if n := len(a.t.of("Lambda::Alias")); n != len(called) {
		bad = append(bad, fmt.Sprintf("%d aliases", n))
	}
	return bad
}

// alias is how the alias of a function is turned.
func (a assembly) alias(function string) any {
	for _, id := range a.t.of("Lambda::Alias") {
		if r := a.t.Resources[id]; a.behind(r.prop("FunctionName")) == a.function(function) && r.prop("Name") == liveAlias {
			return at(r.UpdatePolicy, "CodeDeployLambdaAliasUpdate")
		}
	}
	return nil
}

// behind is the resource that a value names; behind an alias, its function.
func (a assembly) behind(v any) *resource {
	r := a.t.Resources[refers(v)]
	if r != nil && r.Type == "AWS::Lambda::Alias" {
		return a.t.Resources[refers(r.prop("FunctionName"))]
	}
	return r
}

func (a assembly) idOfSchedule(name string) string {
	for _, id := range a.t.of("Scheduler::Schedule") {
		if a.t.Resources[id] == a.schedule(name) {
			return id
		}
	}
	return ""
}

// orderFaults compares in which order CloudFormation deletes with what a worker needs
// to drain: what depends on another is deleted before it.
func orderFaults(a assembly) (bad []string) {
	needs := func(of, what string) {
		if !a.t.reach(of, map[string]bool{})[what] {
			bad = append(bad, of+" may be deleted after "+what)
		}
	}
	var first []string
	first = append(first, a.t.of("ApiGatewayV2::Stage")...)
	first = append(first, a.t.of("Events::Rule")...)
	first = append(first, a.idOfSchedule("tick"))
	for _, group := range a.t.of("AutoScaling::AutoScalingGroup") {
		for _, id := range first {
			needs(id, group)
		}
		for _, kind := range []string{"SQS::Queue", "DynamoDB::Table", "EC2::VPCEndpoint", "EC2::Route", "EC2::VPCGatewayAttachment"} {
			for _, id := range a.t.of(kind) {
				needs(group, id)
			}
		}
	}
	return bad
}

// reach collects what a resource depends on, by reference or in words.
func (t synthesized) reach(id string, seen map[string]bool) map[string]bool {
	r := t.Resources[id]
	if r == nil || seen[id] {
		return seen
	}
	seen[id] = true
	for _, next := range t.needs(id) {
		t.reach(next, seen)
	}
	return seen
}

// needs are the resources that one names itself.
func (t synthesized) needs(id string) []string {
	r := t.Resources[id]
	if r == nil {
		return nil
	}
	return slices.Concat(words(r.DependsOn), mentions(r.Properties), mentions(map[string]any(r.UpdatePolicy)))
}

// mentions are the ids that a value refers to.
func mentions(v any) (ids []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			ids = append(ids, mentions(e)...)
		}
	case map[string]any:
		if id := refers(v); id != "" {
			return []string{id}
		}
		for _, e := range v {
			ids = append(ids, mentions(e)...)
		}
	}
	return ids
}
