// Package checkup compares an account with what a deployment of Paragon assumes of it:
// what no test without an account can show. It reads and changes nothing.
package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/aws/smithy-go"
	"github.com/paragon-serving/paragon/shared/platform/aws/stagelogs"
)

// Level is how bad a finding is.
type Level string

// The levels: a warning is also what could not be checked now.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Fault   Level = "fault"
	// ByHand is what is checked by doing something to the stage, which is left to people.
	ByHand Level = "by hand"
)

// Finding is what a check found.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"` // about it
}

// Groups is what is asked of Auto Scaling.
type Groups interface {
	DescribeAutoScalingGroups(context.Context, *autoscaling.DescribeAutoScalingGroupsInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error)
	DescribeScalingActivities(context.Context, *autoscaling.DescribeScalingActivitiesInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeScalingActivitiesOutput, error)
}

// EC2 is what is asked of EC2.
type EC2 interface {
	Subnets(ctx context.Context, ids []string) ([]Subnet, error)
	DefaultGroups(ctx context.Context, vpc string) ([]SecurityGroup, error)
	Offered(ctx context.Context, zone string, types []string) ([]string, error)
}

// Targets is what is asked of the load balancer.
type Targets interface {
	DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
}

// Functions is what is asked of Lambda.
type Functions interface {
	GetAccountSettings(context.Context, *lambda.GetAccountSettingsInput, ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error)
}

// Alarms is what is asked of CloudWatch.
type Alarms interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
	DescribeAlarmHistory(context.Context, *cloudwatch.DescribeAlarmHistoryInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmHistoryOutput, error)
}

// Logs is what is asked of CloudWatch Logs.
type Logs interface {
	stagelogs.Groups
	FilterLogEvents(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error)
}

// Quotas is what is asked of Service Quotas.
type Quotas interface {
	GetServiceQuota(context.Context, *servicequotas.GetServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error)
}

// Account is a stage in an account, with the services that are asked.
type Account struct {
	Stage string
	Pools []string
	Now   func() time.Time

	Groups    Groups
	EC2       EC2
	Targets   Targets
	Functions Functions
	Alarms    Alarms
	Logs      Logs
	Quotas    Quotas
}

// Check is one assumption about an account.
type Check struct {
	Name string
	Run  func(context.Context) ([]Finding, error)
}

// Checks are all that Account can do, in the order in which a first deployer wants them.
func (a Account) Checks() []Check {
	return []Check{
		{"quotas", a.quotas}, {"zones", a.zones}, {"machines", a.machines}, {"launches", a.launches}, {"drains", a.drains},
		{"targets", a.targets}, {"rebalancing", a.rebalancing}, {"network", a.network}, {"alarms", a.alarms}, {"permissions", a.permissions},
	}
}

// Run does checks, one after the other. What cannot be read is a warning: it is no
// fault of the stage.
func Run(ctx context.Context, checks []Check) (out []Finding) {
	for _, c := range checks {
		found, err := c.Run(ctx)
		for _, f := range found {
			f.Check = c.Name
			out = append(out, f)
		}
		if err != nil {
			out = append(out, unread(c.Name, err))
		}
	}
	return out
}

// unread says why a check could not be made.
func unread(check string, err error) Finding {
	f := Finding{Check: check, Level: Warning, Found: "not checked: " + err.Error()}
	if service := smithy.APIError(nil); errors.As(err, &service) {
		switch service.ErrorCode() {
		case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
			f.Do = "ask for the policy paragon-<stage>-operator-<region> (docs/deploy.md)"
		}
	}
	return f
}

// Untried lists what a stage in an account is checked for by hand, and how.
func Untried(stage string) []Finding {
	out := []Finding{
		{Check: "replacement", Found: "a worker that hangs or never starts is terminated and replaced",
			Do: "run `paragon tune set boot_limit_seconds 10` while one worker is desired: `paragon decisions --moves` should show that a worker was replaced, and why"},
		{Check: "routing", Found: "no request is lost when the first worker starts to serve or the last one stops",
			Do: "while `paragon-lab load` runs, run `paragon tune set max_workers 0`, and later set the earlier value: the dashboard should show no 5xx of the gateway"},
		{Check: "release", Found: "a deployment under load loses no query, and a bad release is rolled back",
			Do: "run `make deploy` during `paragon-lab load`; then deploy a release whose functions fail: CodeDeploy should stop it during the canary"},
		{Check: "destruction", Found: "a stack with running workers can be deleted under load", Do: "run `make destroy` during `paragon-lab load`, on a stage that you do not need"},
		{Check: "arrivals", Found: "CloudWatch extracts arrivals from the log lines of the api function", Do: "`paragon replay --stage " + stage + "` some minutes after some queries should replay their arrivals"},
		{Check: "own models", Found: "an added model is served without a deployment", Do: "run `paragon model add FILE.onnx --task T --stage " + stage + "`, then submit a query for it: a worker should answer within half a minute; `paragon model remove` removes the model"},
		{Check: "spot", Found: "spot instances drain within the two minutes after their interruption notice", Do: "deploy with `spot_percent` above 0 for a day: each drain should take less than two minutes, and the bill should be as `paragon cost` predicts"},
		{Check: "crowd", Found: "functions take over when the load rises tenfold at once", Do: "run `paragon-lab load` at ten times the usual rate: the alarm throttles-alarm should not ring, and `paragon decisions` should show a decision every tick_seconds"},
		{Check: "budget", Found: "the AWS budget counts the cost of the stage", Do: "a day after you have activated the cost allocation tag paragon:stage, the budget paragon-" + stage + "-monthly-<region> should be above $0"},
	}
	for i := range out {
		out[i].Level = ByHand
	}
	return out
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Found: fmt.Sprintf(format, args...)}
}

func warning(do, format string, args ...any) Finding {
	return Finding{Level: Warning, Found: fmt.Sprintf(format, args...), Do: do}
}

func fault(do, format string, args ...any) Finding {
	return Finding{Level: Fault, Found: fmt.Sprintf(format, args...), Do: do}
}
