package infra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// loadBalancerTypes are the resources that only a load balancer's front has.
var loadBalancerTypes = []string{"ElasticLoadBalancingV2::LoadBalancer", "ElasticLoadBalancingV2::Listener", "ElasticLoadBalancingV2::ListenerRule", "ApiGatewayV2::VpcLink"}

// frontRules hold of both fronts; balancerRules of a load balancer, where there is one.
func frontRules() []rule {
	return []rule{
		{"there is a load balancer exactly with front=workers", func(a assembly) (bad []string) {
			want := 0
			if a.cfg.onWorkers() {
				want = 1
			}
			for _, kind := range loadBalancerTypes {
				if n := len(a.t.of(kind)); n != want {
					bad = append(bad, fmt.Sprintf("%d of %s", n, kind))
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources["Twin"] = &resource{Type: "AWS::ElasticLoadBalancingV2::LoadBalancer"}
		}},
		{"the gateway overwrites the header that names the owner", func(a assembly) (bad []string) {
			want := map[string]string{byIAM: "$context.identity.userArn", byKeys: "$context.authorizer." + names.KeyOwner}[a.cfg.Authorizer]
			for _, id := range a.t.of("ApiGatewayV2::Integration") {
				mapped, _ := a.t.Resources[id].prop("RequestParameters").(map[string]any)
				if len(mapped) != 1 || mapped["overwrite:header."+platform.OwnerHeader] != want {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.integration().Properties["RequestParameters"] = map[string]any{"append:header." + platform.OwnerHeader: "$context.identity.userArn"}
		}},
		{"the gateway's timeout is slightly longer than the longest wait", func(a assembly) []string {
			if ms := number(a.integration().prop("TimeoutInMillis")); ms < 1000*a.cfg.maxWait()+500 || ms > 1000*a.cfg.maxWait()+3000 || ms > 29000 {
				return faultf("%v ms", ms)
			}
			return nil
		}, func(a assembly) { a.integration().Properties["TimeoutInMillis"] = 29000.0 }},
		{"the gateway calls the load balancer over the VPC link, or the api function", func(a assembly) []string {
			i := a.integration()
			to, link := a.behind(i.prop("IntegrationUri")), a.t.Resources[refers(i.prop("ConnectionId"))]
			private := to != nil && to == a.listener() && link != nil && i.prop("ConnectionType") == "VPC_LINK"
			if private != a.cfg.onWorkers() || !private && to != a.function("api") || len(a.t.of("ApiGatewayV2::Integration")) != 1 {
				return faultf("it calls %s", flat(i.prop("IntegrationUri")))
			}
			return nil
		}, func(a assembly) {
			a.integration().Properties["IntegrationUri"] = map[string]any{"Fn::GetAtt": []any{refers(a.function("controller").prop("Role")), "Arn"}}
		}},
		{"only the gateway or the load balancer may invoke the api function", invokeFaults, func(a assembly) {
			a.t.Resources["Everybody"] = &resource{Type: "AWS::Lambda::Permission", Properties: map[string]any{
				"Action": "lambda:InvokeFunction", "FunctionName": map[string]any{"Fn::GetAtt": []any{a.idOf("api"), "Arn"}}, "Principal": "*", "SourceAccount": map[string]any{"Ref": "AWS::AccountId"}}}
		}},
		{"functions know the stage's front, and the controller knows the load balancer", func(a assembly) (bad []string) {
			for _, name := range []string{"api", "dispatcher", "controller"} {
				if variables(a.function(name))[names.Front] != a.cfg.Front {
					bad = append(bad, name)
				}
			}
			env := variables(a.function("controller"))
			listener, group := a.t.Resources[refers(env[names.ListenerARN])], a.t.Resources[refers(env[names.TargetGroup])]
			if (listener != nil) != a.cfg.onWorkers() || listener != a.listener() || group != a.workerTargets() {
				bad = append(bad, "the controller's listener and target group")
			}
			return bad
		}, func(a assembly) { delete(variables(a.function("controller")), names.TargetGroup) }},
	}
}

func balancerRules() []rule {
	return withBalancer([]rule{
		{"the listener's default is the api function, and only the probe's rule names the workers", defaultFaults, func(a assembly) {
			a.t.Resources[a.t.of("ElasticLoadBalancingV2::ListenerRule")[0]].Properties["Priority"] = float64(names.WorkersPriority)
		}},
		{"the load balancer is internal, closes idle connections before the workers do, and drops invalid headers", func(a assembly) []string {
			b := a.t.Resources[a.t.of("ElasticLoadBalancingV2::LoadBalancer")[0]]
			set := attributesOf(b.prop("LoadBalancerAttributes"))
			if b.prop("Scheme") != "internal" || set["idle_timeout.timeout_seconds"] != "60" || set["routing.http.drop_invalid_header_fields.enabled"] != "true" ||
				len(list(b.prop("SecurityGroups"))) != 1 {
				return faultf("%v", b.Properties)
			}
			return nil
		}, func(a assembly) {
			a.t.Resources[a.t.of("ElasticLoadBalancingV2::LoadBalancer")[0]].Properties["Scheme"] = "internet-facing"
		}},
		{"requests go to the worker with the fewest, and deregistration waits for open requests", func(a assembly) []string {
			set := attributesOf(a.workerTargets().prop("TargetGroupAttributes"))
			if set["load_balancing.algorithm.type"] != "least_outstanding_requests" || number(set["deregistration_delay.timeout_seconds"]) != a.cfg.maxWait()+5 ||
				number(a.workerTargets().prop("Port")) != 8080 || a.workerTargets().prop("TargetType") != "instance" {
				return faultf("%v", set)
			}
			return nil
		}, func(a assembly) {
			list(a.workerTargets().prop("TargetGroupAttributes"))[0].(map[string]any)["Value"] = "300"
		}},
		{"the health check depends on the worker's process only, and detects a failure within ten seconds", func(a assembly) []string {
			g := a.workerTargets()
			if g.prop("HealthCheckPath") != "/healthz" || number(g.prop("UnhealthyThresholdCount"))*number(g.prop("HealthCheckIntervalSeconds")) > 10 ||
				g.prop("Matcher", "HttpCode") != "200" || number(g.prop("HealthCheckTimeoutSeconds")) >= number(g.prop("HealthCheckIntervalSeconds")) {
				return faultf("%v", g.Properties)
			}
			return nil
		}, func(a assembly) { a.workerTargets().Properties["HealthCheckPath"] = "/readyz" }},
		{"a group replaces workers that fail the load balancer's health check, after a grace period", func(a assembly) (bad []string) {
			for _, id := range a.t.of("AutoScaling::AutoScalingGroup") {
				g := a.t.Resources[id]
				if g.prop("HealthCheckType") != "ELB" || number(g.prop("HealthCheckGracePeriod")) < 120 || len(list(g.prop("TargetGroupARNs"))) != 1 ||
					a.t.Resources[refers(g.prop("TargetGroupARNs", 0))] != a.workerTargets() {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.group().Properties["HealthCheckType"] = "EC2" }},
		{"workers listen on the network and have the name of the signing key's secret", func(a assembly) (bad []string) {
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))
				for _, want := range []string{"\n" + environment.Listen + "=:8080\n", "\n" + names.SigningSecret + "=${SigningKey}\n", "\n" + names.Front + "=" + names.FrontWorkers + "\n"} {
					if !strings.Contains(script, want) {
						bad = append(bad, fmt.Sprintf("%s lacks %q", id, want))
					}
				}
			}
			return bad
		}, func(a assembly) {
			join := list(at(a.launch(), "UserData", "Fn::Base64", "Fn::Join"))
			for i, part := range list(join[1]) {
				if s, ok := part.(string); ok {
					list(join[1])[i] = strings.ReplaceAll(s, environment.Listen+"=:8080", environment.Listen+"=127.0.0.1:8080")
				}
			}
		}},
		{"the controller may change the rules of this listener only", turnFaults, func(a assembly) {
			a.allow(a.roleOf("controller"), "elasticloadbalancing:DeleteRule", "arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/another/1/2/*")
		}},
		{"terminations and spot interruption warnings start the controller", lossFaults, func(a assembly) {
			a.t.named("Events::Rule", "Name", names.Prefix(a.cfg.Stage)+"worker-left").prop("EventPattern", "detail").(map[string]any)["AutoScalingGroupName"] = []any{"another"}
		}},
	})
}

// withBalancer are rules of which nothing is asked where there is no load balancer.
func withBalancer(rules []rule) []rule {
	for i := range rules {
		faults := rules[i].faults
		rules[i].faults = func(a assembly) []string {
			if !a.cfg.onWorkers() {
				return nil
			}
			return faults(a)
		}
	}
	return rules
}

func (a assembly) integration() *resource {
	return a.t.Resources[a.t.of("ApiGatewayV2::Integration")[0]]
}

// listener and workerTargets are nil where there is no load balancer.
func (a assembly) listener() *resource { return a.t.only("ElasticLoadBalancingV2::Listener") }

func (a assembly) workerTargets() *resource {
	return a.t.named("ElasticLoadBalancingV2::TargetGroup", "TargetType", "instance")
}

// only is the first resource of a type; nil when there is none.
func (t synthesized) only(kind string) *resource {
	for _, id := range t.of(kind) {
		return t.Resources[id]
	}
	return nil
}

// idOf is the logical id of a function.
func (a assembly) idOf(function string) string {
	for _, id := range a.t.of("Lambda::Function") {
		if a.t.Resources[id] == a.function(function) {
			return id
		}
	}
	return ""
}

// attributesOf are keys and values of a list of both.
func attributesOf(v any) map[string]string {
	out := map[string]string{}
	for _, e := range list(v) {
		out[fmt.Sprint(at(e, "Key"))] = fmt.Sprint(at(e, "Value"))
	}
	return out
}

// invokeFaults reads who may invoke the api function: one service, of this
// account, for one resource; and no role.
func invokeFaults(a assembly) (bad []string) {
	want := "apigateway.amazonaws.com"
	if a.cfg.onWorkers() {
		want = "elasticloadbalancing.amazonaws.com"
	}
	found := 0
	for _, id := range a.t.of("Lambda::Permission") {
		p := a.t.Resources[id]
		if a.behind(p.prop("FunctionName")) != a.function("api") {
			continue
		}
		found++
		source := flat(p.prop("SourceArn"))
		if p.prop("Principal") != want || !strings.Contains(source, "${AWS::AccountId}") ||
			a.cfg.onWorkers() && !strings.HasSuffix(source, ":targetgroup/"+names.Prefix(a.cfg.Stage)+"api/*") {
			bad = append(bad, id)
		}
	}
	if found != 1 {
		bad = append(bad, fmt.Sprintf("%d may invoke it", found))
	}
	for _, id := range slices.Concat(a.t.of("IAM::Role"), a.t.of("IAM::ManagedPolicy")) {
		for _, s := range a.t.statements(id) {
			for _, r := range list(s["Resource"]) {
				if a.behind(r) == a.function("api") && slices.Contains(words(s["Action"]), "lambda:InvokeFunction") {
					bad = append(bad, id)
				}
			}
		}
	}
	return bad
}

// defaultFaults follows the listener to the api function. The workers' target
// group has the probe's rule, and outlives the listener when the stack is
// deleted, as the controller's rule ties the one to the other.
func defaultFaults(a assembly) (bad []string) {
	group := a.t.Resources[refers(a.listener().prop("DefaultActions", 0, "TargetGroupArn"))]
	if group.prop("TargetType") != "lambda" || a.behind(group.prop("Targets", 0, "Id")) != a.function("api") ||
		attributesOf(group.prop("TargetGroupAttributes"))["lambda.multi_value_headers.enabled"] != "true" {
		bad = append(bad, "the default is not the api function")
	}
	for _, id := range a.t.of("ElasticLoadBalancingV2::ListenerRule") {
		r := a.t.Resources[id]
		if number(r.prop("Priority")) != 50000 || r.prop("Conditions", 0, "PathPatternConfig", "Values", 0) != names.ProbePath ||
			a.t.Resources[refers(r.prop("Actions", 0, "TargetGroupArn"))] != a.workerTargets() {
			bad = append(bad, id)
		}
	}
	if !slices.ContainsFunc(words(a.listener().DependsOn), func(id string) bool { return a.t.Resources[id] == a.workerTargets() }) {
		bad = append(bad, "the listener may be deleted after the workers' target group")
	}
	return bad
}

// turnFaults holds what the controller may do with load balancers.
func turnFaults(a assembly) (bad []string) {
	bounds := map[string]string{
		"elasticloadbalancing:CreateRule":           `${Listener}`,
		"elasticloadbalancing:DeleteRule":           `:listener-rule/{"Fn::Select":[1,{"Fn::Split":[":listener/",{"Ref":"Listener"}]}]}/*`,
		"elasticloadbalancing:ModifyRule":           `:listener-rule/{"Fn::Select":[1,{"Fn::Split":[":listener/",{"Ref":"Listener"}]}]}/*`,
		"elasticloadbalancing:DescribeRules":        "*",
		"elasticloadbalancing:DescribeTargetHealth": "*",
	}
	granted := map[string]bool{}
	for _, id := range a.t.of("IAM::Role") {
		for _, s := range a.t.statements(id) {
			for _, action := range words(s["Action"]) {
				if !strings.HasPrefix(action, "elasticloadbalancing:") {
					continue
				}
				granted[action] = true
				for _, r := range list(s["Resource"]) {
					if a.leavesBalancer(id, action, flat(r)) {
						continue
					}
					if bound, known := bounds[action]; id != a.roleOf("controller") || !known || !strings.HasSuffix(flat(r), bound) {
						bad = append(bad, fmt.Sprintf("%s: %s of %s", id, action, flat(r)))
					}
				}
			}
		}
	}
	for _, action := range keys(bounds) {
		if !granted[action] {
			bad = append(bad, action+" is not granted")
		}
	}
	return bad
}

// leavesBalancer reports whether a permission is that of a worker to take itself off
// its own target group.
func (a assembly) leavesBalancer(role, action, resource string) bool {
	service := a.t.Resources[role].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service")
	return service == "ec2.amazonaws.com" && action == "elasticloadbalancing:DeregisterTargets" && strings.HasSuffix(resource, "${WorkerTargets}")
}

// lossFaults follows the events to the controller.
func lossFaults(a assembly) (bad []string) {
	var groups []string
	for _, p := range a.plan.pools {
		groups = append(groups, names.Group(a.cfg.Stage, p.name))
	}
	for name, want := range map[string][]string{
		"worker-left": {"aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", "EC2 Instance Terminate Successful"},
		"spot-notice": {"aws.ec2", "EC2 Spot Instance Interruption Warning"},
	} {
		r := a.t.named("Events::Rule", "Name", names.Prefix(a.cfg.Stage)+name)
		target, retry := r.prop("Targets", 0, "Arn"), r.prop("Targets", 0, "RetryPolicy", "MaximumRetryAttempts")
		got := append(words(r.prop("EventPattern", "source")), words(r.prop("EventPattern", "detail-type"))...)
		if !slices.Equal(got, want) || a.behind(target) != a.function("controller") || number(retry) != 0 {
			bad = append(bad, name)
		}
		if name == "worker-left" && !slices.Equal(words(r.prop("EventPattern", "detail", "AutoScalingGroupName")), groups) {
			bad = append(bad, "the groups of "+name)
		}
		starts := false
		for _, id := range a.t.of("Lambda::Permission") {
			p := a.t.Resources[id]
			starts = starts || a.t.Resources[refers(p.prop("SourceArn"))] == r && r != nil && p.prop("Principal") == "events.amazonaws.com" &&
				a.behind(p.prop("FunctionName")) == a.function("controller")
		}
		if !starts {
			bad = append(bad, name+" may not start it")
		}
	}
	return bad
}
