package infra

import (
	"fmt"
	"math"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// balancer is the internal load balancer between the gateway and the workers; it
// is empty where the gateway calls the api function itself.
type balancer struct {
	balancer awselasticloadbalancingv2.CfnLoadBalancer
	listener awselasticloadbalancingv2.CfnListener
	workers  awselasticloadbalancingv2.CfnTargetGroup
	probe    awselasticloadbalancingv2.CfnListenerRule
}

const (
	listenPort   = 80   // of the balancer, within the network alone
	workerPort   = 8080 // of the workers
	idleSeconds  = 60   // of the balancer's connections; the workers' own time is longer
	graceSeconds = 300  // until the health of a new machine counts
	// drainMargin is what deregistration takes beyond the longest wait.
	drainMargin = 5
	// timeoutMargin is what an integration takes beyond the longest wait, and
	// gatewaySeconds the longest that a gateway lets one take.
	timeoutMargin, gatewaySeconds = 2, 29
	// probePriority comes after every other rule.
	probePriority = 50000
)

// onWorkers says whether the gateway sends requests to the workers.
func (c Config) onWorkers() bool { return c.Front == names.FrontWorkers }

// tuned are the settings with the values of the context.
func (c Config) tuned() settings.Settings {
	set, err := settings.Parse(c.Settings)
	if err != nil {
		panic(err) // checked with the context
	}
	return set
}

// maxWait is the longest that a request is held, in seconds, by the values of the
// context.
func (c Config) maxWait() float64 { return c.tuned().MaxWaitSeconds }

// integrationSeconds is how long the gateway waits for an answer: as long as
// the longest wait, so that a request held by a dead machine fails soon.
func (c Config) integrationSeconds() float64 {
	return min(gatewaySeconds, c.maxWait()+timeoutMargin)
}

// makeFront makes the load balancer. By default it asks the api function. The
// rule that sends requests to the workers is not here: the controller makes
// and removes it, and a deployment would restore what the template has.
func (s *stack) makeFront() (b balancer) {
	if !s.onWorkers() {
		return b
	}
	api := s.apiTarget()
	b.workers, b.balancer = s.workerTargets(), s.loadBalancer()
	b.listener = awselasticloadbalancingv2.NewCfnListener(s.Stack, text("Listener"), &awselasticloadbalancingv2.CfnListenerProps{
		LoadBalancerArn: b.balancer.Ref(), Port: jsii.Number(listenPort), Protocol: text("HTTP"),
		DefaultActions: []any{&awselasticloadbalancingv2.CfnListener_ActionProperty{Type: text("forward"), TargetGroupArn: api.Ref()}},
	})
	// The controller's rule ties the listener to this group: CloudFormation,
	// which knows nothing of it, must delete the listener first.
	b.listener.AddResourceDependency(b.workers, nil)
	// Only a target group with a rule is health-checked.
	b.probe = awselasticloadbalancingv2.NewCfnListenerRule(s.Stack, text("Probe"), &awselasticloadbalancingv2.CfnListenerRuleProps{
		ListenerArn: b.listener.Ref(), Priority: jsii.Number(probePriority),
		Conditions: []any{&awselasticloadbalancingv2.CfnListenerRule_RuleConditionProperty{Field: text("path-pattern"),
			PathPatternConfig: &awselasticloadbalancingv2.CfnListenerRule_PathPatternConfigProperty{Values: texts(names.ProbePath)}}},
		Actions: []any{&awselasticloadbalancingv2.CfnListenerRule_ActionProperty{Type: text("forward"), TargetGroupArn: b.workers.Ref()}},
	})
	return b
}

// loadBalancer is reached from the gateway's link alone.
func (s *stack) loadBalancer() awselasticloadbalancingv2.CfnLoadBalancer {
	subnets := s.subnetIDs()
	lb := awselasticloadbalancingv2.NewCfnLoadBalancer(s.Stack, text("Balancer"), &awselasticloadbalancingv2.CfnLoadBalancerProps{
		Type: text("application"), Scheme: text("internal"), IpAddressType: text("ipv4"),
		Subnets: &subnets, SecurityGroups: &[]any{s.network.balancer.SecurityGroupId()},
		LoadBalancerAttributes: []any{
			&awselasticloadbalancingv2.CfnLoadBalancer_LoadBalancerAttributeProperty{Key: text("idle_timeout.timeout_seconds"), Value: text(fmt.Sprint(idleSeconds))},
			&awselasticloadbalancingv2.CfnLoadBalancer_LoadBalancerAttributeProperty{Key: text("routing.http.drop_invalid_header_fields.enabled"), Value: text("true")},
		},
	})
	cdknag.NagSuppressions_AddResourceSuppressions(lb, &[]*cdknag.NagPackSuppression{excuseAll("AwsSolutions-ELB2",
		"the load balancer is internal, and API Gateway, its only caller, logs every request")}, nil)
	return lb
}

// workerTargets are the workers of all pools: the groups register them.
func (s *stack) workerTargets() awselasticloadbalancingv2.CfnTargetGroup {
	return awselasticloadbalancingv2.NewCfnTargetGroup(s.Stack, text("WorkerTargets"), &awselasticloadbalancingv2.CfnTargetGroupProps{
		TargetType: text("instance"), VpcId: s.network.vpc.VpcId(), Port: jsii.Number(workerPort), Protocol: text("HTTP"),
		// The process alone: what it depends on must not end the fleet.
		HealthCheckPath: text(names.HealthPath), HealthCheckIntervalSeconds: jsii.Number(5), HealthCheckTimeoutSeconds: jsii.Number(3),
		HealthyThresholdCount: jsii.Number(2), UnhealthyThresholdCount: jsii.Number(2),
		Matcher: &awselasticloadbalancingv2.CfnTargetGroup_MatcherProperty{HttpCode: text("200")},
		TargetGroupAttributes: []any{
			attribute("deregistration_delay.timeout_seconds", fmt.Sprint(math.Ceil(s.maxWait())+drainMargin)),
			attribute("load_balancing.algorithm.type", "least_outstanding_requests"),
		},
	})
}

// apiTarget is the api function as the balancer's target. The permission names
// the target group by its name, as its ARN is not known before it exists, and
// it cannot exist before the permission.
func (s *stack) apiTarget() awselasticloadbalancingv2.CfnTargetGroup {
	name := s.physical("api")
	may := awslambda.NewCfnPermission(s.Stack, text("ApiByBalancer"), &awslambda.CfnPermissionProps{
		Action: text("lambda:InvokeFunction"), FunctionName: s.functions.api.alias.FunctionArn(), Principal: text("elasticloadbalancing.amazonaws.com"),
		SourceArn: s.arn("elasticloadbalancing", "targetgroup/"+*name+"/*"), SourceAccount: awscdk.Aws_ACCOUNT_ID(),
	})
	group := awselasticloadbalancingv2.NewCfnTargetGroup(s.Stack, text("ApiTarget"), &awselasticloadbalancingv2.CfnTargetGroupProps{
		Name: name, TargetType: text("lambda"), HealthCheckEnabled: jsii.Bool(false),
		Targets: []any{&awselasticloadbalancingv2.CfnTargetGroup_TargetDescriptionProperty{Id: s.functions.api.alias.FunctionArn()}},
		// The owner's header must come once: twice must be seen as such.
		TargetGroupAttributes: []any{attribute("lambda.multi_value_headers.enabled", "true")},
	})
	group.AddResourceDependency(may, nil)
	return group
}

// turnTraffic is what the controller calls to turn requests between the
// workers and the api function: the rules of this listener alone.
func (s *stack) turnTraffic() []permission {
	if !s.onWorkers() {
		return nil
	}
	listener := s.front.listener.Ref()
	below := awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(text(":listener/"), listener, nil))
	rules := *s.arn("elasticloadbalancing", "listener-rule/") + *below + "/*"
	id := *s.GetLogicalId(s.front.listener)
	return []permission{
		allow(on(listener), "elasticloadbalancing:CreateRule"),
		allow(on(text(rules)), "elasticloadbalancing:DeleteRule", "elasticloadbalancing:ModifyRule").
			excused("Resource::"+rulesFinding(id), "the controller creates the rule and AWS chooses its id: the action is limited to rules of this listener"),
		allow(on(text("*")), "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetHealth").
			excused("Resource::*", "Elastic Load Balancing has no resource-level permissions for Describe calls"),
	}
}

// attribute is one of a target group.
func attribute(key, value string) any {
	return &awselasticloadbalancingv2.CfnTargetGroup_TargetGroupAttributeProperty{Key: text(key), Value: text(value)}
}

// rulesFinding is what cdk-nag calls the rules of a listener.
func rulesFinding(listener string) string {
	return "arn:<AWS::Partition>:elasticloadbalancing:<AWS::Region>:<AWS::AccountId>:listener-rule/" +
		`{"Fn::Select":[1,{"Fn::Split":[":listener/",{"Ref":"` + listener + `"}]}]}/*`
}
