package checkup

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	targets "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	quotas "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/aws/smithy-go"
)

// account is one that is as a deployment assumes it, until a test changes it.
type account struct {
	group      asg.AutoScalingGroup
	activities []asg.Activity
	subnet     Subnet
	offered    []string
	rules      int // of the default security group
	health     targets.TargetHealthStateEnum
	functions  int32
	vcpus      float64
	alarms     []cw.MetricAlarm
	history    []cw.AlarmHistoryItem
	events     []string
	refused    error
}

var now = time.Unix(1_800_000_000, 0)

func wellAccount() *account {
	left := asg.Activity{StatusCode: asg.ScalingActivityStatusCodeSuccessful, Description: aws.String("Terminating EC2 instance: i-0"), StartTime: aws.Time(now), EndTime: aws.Time(now.Add(time.Minute))}
	return &account{
		group: asg.AutoScalingGroup{
			AutoScalingGroupName: aws.String("paragon-dev-general"), MaxSize: aws.Int32(4), VPCZoneIdentifier: aws.String("subnet-1"), TargetGroupARNs: []string{"arn"},
			MixedInstancesPolicy: &asg.MixedInstancesPolicy{LaunchTemplate: &asg.LaunchTemplate{
				LaunchTemplateSpecification: &asg.LaunchTemplateSpecification{Version: aws.String("2")}, Overrides: []asg.LaunchTemplateOverrides{{InstanceType: aws.String("c5.large")}},
			}},
			Instances:          []asg.Instance{{InstanceId: aws.String("i-1"), LifecycleState: asg.LifecycleStateInService, LaunchTemplate: &asg.LaunchTemplateSpecification{Version: aws.String("2")}}},
			SuspendedProcesses: []asg.SuspendedProcess{{ProcessName: aws.String("AZRebalance")}},
		},
		activities: []asg.Activity{left}, offered: []string{"c5.large"}, health: targets.TargetHealthStateEnumHealthy, functions: 1000, vcpus: 64,
		subnet:  Subnet{VPC: "vpc-1", Zone: "us-east-1a", ZoneID: "use1-az1"},
		alarms:  []cw.MetricAlarm{{AlarmName: aws.String("paragon-dev-no-tick-alarm"), StateValue: cw.StateValueOk}},
		history: []cw.AlarmHistoryItem{{AlarmName: aws.String("paragon-dev-no-tick-alarm"), HistorySummary: aws.String("Successfully executed action")}},
	}
}

func (a *account) DescribeAutoScalingGroups(context.Context, *autoscaling.DescribeAutoScalingGroupsInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []asg.AutoScalingGroup{a.group}}, a.refused
}

func (a *account) DescribeScalingActivities(context.Context, *autoscaling.DescribeScalingActivitiesInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeScalingActivitiesOutput, error) {
	return &autoscaling.DescribeScalingActivitiesOutput{Activities: a.activities}, nil
}

func (a *account) Subnets(context.Context, []string) ([]Subnet, error) {
	return []Subnet{a.subnet}, nil
}

func (a *account) DefaultGroups(context.Context, string) ([]SecurityGroup, error) {
	return []SecurityGroup{{ID: "sg-1", Egress: make([]struct{}, a.rules)}}, nil
}

func (a *account) Offered(context.Context, string, []string) ([]string, error) { return a.offered, nil }

func (a *account) DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error) {
	return &elb.DescribeTargetHealthOutput{TargetHealthDescriptions: []targets.TargetHealthDescription{
		{Target: &targets.TargetDescription{Id: aws.String("i-1")}, TargetHealth: &targets.TargetHealth{State: a.health}}}}, nil
}

func (a *account) GetAccountSettings(context.Context, *lambda.GetAccountSettingsInput, ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error) {
	return &lambda.GetAccountSettingsOutput{AccountLimit: &lambdatypes.AccountLimit{ConcurrentExecutions: a.functions}}, nil
}

func (a *account) GetServiceQuota(context.Context, *servicequotas.GetServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error) {
	return &servicequotas.GetServiceQuotaOutput{Quota: &quotas.ServiceQuota{Value: &a.vcpus}}, nil
}

func (a *account) DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	return &cloudwatch.DescribeAlarmsOutput{MetricAlarms: a.alarms}, nil
}

func (a *account) DescribeAlarmHistory(context.Context, *cloudwatch.DescribeAlarmHistoryInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
	return &cloudwatch.DescribeAlarmHistoryOutput{AlarmHistoryItems: a.history}, nil
}

func (a *account) DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	return &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []cwl.LogGroup{{LogGroupName: aws.String("paragon-dev-ApiFunctionLogBDAD8088-aBc")}, {LogGroupName: aws.String("paragon-dev-InferenceCnn512LogDF32842D-mNo")}}}, nil
}

func (a *account) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for _, text := range a.events {
		out.Events = append(out.Events, cwl.FilteredLogEvent{Message: aws.String(aws.ToString(in.LogGroupName) + " " + text)})
	}
	return out, nil
}

func (a *account) checks() []Check {
	return Account{Stage: "dev", Pools: []string{"general"}, Now: func() time.Time { return now },
		Groups: a, EC2: a, Targets: a, Functions: a, Alarms: a, Logs: a, Quotas: a}.Checks()
}

// An account that is as assumed passes every check; one change is found by the check
// that it concerns, and by no other.
func TestEachCheckFindsItsFault(t *testing.T) {
	for _, f := range Run(t.Context(), wellAccount().checks()) {
		if f.Level != OK {
			t.Errorf("a well account: %+v", f)
		}
	}
	for _, tc := range []struct {
		name, check, says string
		level             Level
		change            func(a *account)
	}{
		{"few functions", "quotas", "10 functions", Warning, func(a *account) { a.functions = 10 }},
		{"few vCPUs", "quotas", "5 vCPUs", Warning, func(a *account) { a.vcpus = 5 }},
		{"a zone without links", "zones", "no VPC links", Fault, func(a *account) { a.subnet.ZoneID = linksMissing }},
		{"a zone without a type", "zones", "c5.large", Warning, func(a *account) { a.offered = nil }},
		{"an old machine", "machines", "1 of 1 instances", Warning, func(a *account) { a.group.Instances[0].LaunchTemplate.Version = aws.String("1") }},
		{"no instance", "machines", "no instance", Warning, func(a *account) { a.group.Instances = nil }},
		{"a launch that failed", "launches", "no capacity", Warning, func(a *account) {
			a.activities = append(a.activities, asg.Activity{StatusCode: asg.ScalingActivityStatusCodeFailed, StatusMessage: aws.String("no capacity"), StartTime: aws.Time(now)})
		}},
		{"a hook that timed out", "drains", "1 of 1 terminations", Fault, func(a *account) { a.activities[0].EndTime = aws.Time(now.Add(200 * time.Second)) }},
		{"nobody has left", "drains", "no worker has been terminated", Warning, func(a *account) { a.activities = nil }},
		{"an unhealthy target", "targets", "i-1", Fault, func(a *account) { a.health = targets.TargetHealthStateEnumUnhealthy }},
		{"rebalancing", "rebalancing", "not suspended", Fault, func(a *account) { a.group.SuspendedProcesses = nil }},
		{"an open default group", "network", "1 rules", Fault, func(a *account) { a.rules = 1 }},
		{"no alarms", "alarms", "no alarms", Fault, func(a *account) { a.alarms = nil }},
		{"an alarm that rings", "alarms", "no-tick-alarm", Warning, func(a *account) { a.alarms[0].StateValue = cw.StateValueAlarm }},
		{"an alarm that cannot send", "alarms", "could not send", Fault, func(a *account) { a.history[0].HistorySummary = aws.String("Failed to execute action") }},
		{"alarms never tried", "alarms", "nothing", Warning, func(a *account) { a.history[0].AlarmName = aws.String("another") }},
		{"a refused call", "permissions", "AccessDenied", Fault, func(a *account) { a.events = []string{"AccessDenied: s3"} }},
	} {
		a := wellAccount()
		tc.change(a)
		var found []Finding
		for _, f := range Run(t.Context(), a.checks()) {
			if f.Level != OK {
				found = append(found, f)
			}
		}
		said := func(f Finding) bool {
			text := strings.Replace(f.Found, "no alarm has sent anything in a week", "nothing", 1)
			return f.Check == tc.check && f.Level == tc.level && strings.Contains(text, tc.says) && f.Do != ""
		}
		if len(found) != 1 || !said(found[0]) {
			t.Errorf("%s: %+v", tc.name, found)
		}
	}
}

// What the caller may not read is a warning that says which policy is missing.
func TestARefusedReadIsNoFault(t *testing.T) {
	a := wellAccount()
	a.refused = &smithy.GenericAPIError{Code: "AccessDenied"}
	found := Run(t.Context(), a.checks())
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Level == Fault }) ||
		!slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "machines" && strings.Contains(f.Do, "operator") }) {
		t.Errorf("%+v", found)
	}
}
