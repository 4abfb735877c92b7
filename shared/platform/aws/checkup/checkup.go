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
			f.Do = "ask for the policy paragon-<stage>-operator-<region>"
		}
	}
	return f
}

// Untried lists what a stage in an account is checked for by hand, and how.
func Untried(stage string) []Finding {
	out := []Finding{
		{Check: "replacement", Found: "a worker that hangs, or never starts, is ended and replaced",
			Do: "`paragon tune set boot_limit_seconds 10` with one worker desired: `paragon decisions --moves` says that one was replaced and why"},
		{Check: "turning", Found: "no request is lost while the first worker comes and the last one goes",
			Do: "`paragon-lab load` while `paragon tune set max_workers 0` and back: the gateway's 5xx on the dashboard stay at 0"},
		{Check: "release", Found: "a deployment under load loses nothing, and a bad one is turned back",
			Do: "`make deploy` during `paragon-lab load`; then a release whose functions fail: CodeDeploy stops it within the canary"},
		{Check: "destruction", Found: "a stack with running workers can be deleted under load", Do: "`make destroy` during `paragon-lab load`, in a stage that is not needed"},
		{Check: "arrivals", Found: "what functions take in arrives as metrics out of their logs", Do: "`paragon replay --stage " + stage + "` some minutes after queries: it plays their arrivals"},
		{Check: "own models", Found: "a model that is added is served without a deployment", Do: "`paragon model add FILE.onnx --task T --stage " + stage + "`, then a query for it: a worker answers within half a minute; `paragon model remove` takes it back"},
		{Check: "spot", Found: "spot machines drain within their two minutes", Do: "`spot_percent` above 0 for a day: the drains stay below two minutes, and the bill is as previewed"},
		{Check: "crowd", Found: "functions take a load of ten times the rate", Do: "`paragon-lab load` at ten times the rate: the alarm on throttles does not ring and `paragon decisions` has a tick each tick_seconds"},
		{Check: "budget", Found: "the budget counts the stage's costs", Do: "a day after the cost allocation tag paragon:stage was activated, the budget paragon-" + stage + "-monthly-<region> is above $0"},
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
