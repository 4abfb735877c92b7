package infra

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// controllerSeconds bounds a run of the controller, which ticks for 59 s and then
// gives up its lease.
const controllerSeconds = 75

// makeControl starts the controller every minute. A start that fails is not
// repeated, and one that is late is dropped: the next is due anyway.
func (s *stack) makeControl() {
	s.functions.controller = s.serve(made{
		id: "Controller", name: "controller", code: s.code(machine, "controller"), arch: machine, memoryMB: pricing.ControllerMB, seconds: controllerSeconds,
		env: s.addCollector(s.addFront(s.environment())), may: append(s.controllerMay(), s.readCollectorHeaders()...),
	})
	s.functions.controller.alias.ConfigureAsyncInvoke(&awslambda.EventInvokeConfigOptions{RetryAttempts: jsii.Number(0), MaxEventAge: seconds(60)})
	arn := s.functions.controller.alias.FunctionArn()
	tick := s.schedule("Tick", "tick", "rate(1 minute)", arn, "{}", allow(on(arn), "lambda:InvokeFunction"))
	s.afterGroups(tick)
	for _, g := range s.groups {
		s.keepZones(g)
	}
	if s.onWorkers() {
		s.startOnLosses(arn)
	}
}

// afterGroups has something made after the groups and deleted before them: what starts
// the controller, which would otherwise launch workers for a stage that is destroyed.
func (s *stack) afterGroups(made interface {
	AddResourceDependency(target awscdk.CfnResource, reason *string)
}) {
	for _, g := range s.groups {
		made.AddResourceDependency(g.asg, nil)
	}
}

// addFront adds what traffic is turned by.
func (s *stack) addFront(env map[string]*string) map[string]*string {
	if s.onWorkers() {
		env[names.ListenerARN], env[names.TargetGroup] = s.front.listener.Ref(), s.front.workers.Ref()
	}
	return env
}

// startOnLosses starts the controller when a worker leaves or is about to, as
// the last one may be gone before the next minute begins.
func (s *stack) startOnLosses(controller *string) {
	var groups []string
	for _, g := range s.groups {
		groups = append(groups, g.name)
	}
	s.startOn("WorkerLeft", "worker-left", controller, map[string]any{
		"source": []string{"aws.autoscaling"}, "detail-type": []string{"EC2 Instance-terminate Lifecycle Action", "EC2 Instance Terminate Successful"},
		"detail": map[string]any{"AutoScalingGroupName": groups},
	})
	// The notice names no group: any of the account starts it.
	s.startOn("SpotNotice", "spot-notice", controller, map[string]any{
		"source": []string{"aws.ec2"}, "detail-type": []string{"EC2 Spot Instance Interruption Warning"},
	})
}

// startOn starts the controller on the events of a pattern, once each.
func (s *stack) startOn(id, name string, controller *string, pattern map[string]any) {
	rule := awsevents.NewCfnRule(s.Stack, text(id), &awsevents.CfnRuleProps{
		Name: s.physical(name), EventPattern: pattern,
		Targets: []any{&awsevents.CfnRule_TargetProperty{Id: text("controller"), Arn: controller,
			RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{MaximumRetryAttempts: jsii.Number(0), MaximumEventAgeInSeconds: jsii.Number(60)}}},
	})
	s.afterGroups(rule)
	awslambda.NewCfnPermission(s.Stack, text(id+"Starts"), &awslambda.CfnPermissionProps{
		Action: text("lambda:InvokeFunction"), FunctionName: controller, Principal: text("events.amazonaws.com"), SourceArn: rule.AttrArn(),
	})
}

// keepZones suspends zone rebalancing, which would end workers that nobody
// drained. CloudFormation has no word for it, so a schedule says it again and
// again: it takes hold within minutes and cannot be lost.
func (s *stack) keepZones(g group) {
	input, err := json.Marshal(map[string]any{"AutoScalingGroupName": g.name, "ScalingProcesses": []string{"AZRebalance"}})
	if err != nil {
		panic(err) // a map of words
	}
	id := "Zones" + pascal(g.pool.name)
	target := "arn:" + *awscdk.Aws_PARTITION() + ":scheduler:::aws-sdk:autoscaling:suspendProcesses"
	made := s.schedule(id, "zones-"+g.pool.name, "rate(5 minutes)", text(target), string(input),
		s.changeGroup(g.pool.name, "autoscaling:SuspendProcesses"))
	made.AddResourceDependency(g.asg, nil)
}

// schedule calls a target at a rate, once each time.
func (s *stack) schedule(id, name, rate string, target *string, input string, may permission) awsscheduler.CfnSchedule {
	role := s.role(id+"Role", "scheduler.amazonaws.com", may)
	return awsscheduler.NewCfnSchedule(s.Stack, text(id), &awsscheduler.CfnScheduleProps{
		Name: s.physical(name), ScheduleExpression: text(rate),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: text("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn: target, RoleArn: role.RoleArn(), Input: text(input),
			RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{MaximumRetryAttempts: jsii.Number(0), MaximumEventAgeInSeconds: jsii.Number(60)},
		},
	})
}

// controllerMay is what the controller calls: it reads queues, metrics and
// groups, rolls back versions of models in their catalogue, ends the queries of dead letters and those that no worker will serve, hands
// over to functions what no worker takes, sets
// what is desired, ends the instances of workers that leave or are dead, and turns
// the traffic.
func (s *stack) controllerMay() []permission {
	may := append(append(s.readSettings(), s.readFigures()...),
		allow(s.queueARNs(s.allWork()...), "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"),
		allow(s.queueARNs(platform.Overflow, platform.CallbackQueue), "sqs:SendMessage"),
		allow(s.queueARNs(platform.DeadLetters), "sqs:ChangeMessageVisibility", "sqs:ReceiveMessage"),
		allow(on(s.data.records.TableArn()), "dynamodb:BatchGetItem", "dynamodb:PutItem"),
		allow(on(s.data.state.TableArn()), "dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:Query"),
		s.ownFiles(modelstore.CatalogueFile, "s3:PutObject"),
		describeGroups(s.describedOfGroups()...), readMetrics(), putMetrics(),
	)
	for _, p := range s.pools {
		may = append(may, s.changeGroup(p.name, "autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"))
	}
	return append(may, s.turnTraffic()...)
}
