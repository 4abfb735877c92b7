package checkup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/stagelogs"
)

const (
	// fewFunctions is the concurrency below which a crowd is soon throttled; new
	// accounts have 10.
	fewFunctions = 200
	// standardVCPUs is the quota of the vCPUs of standard instances on demand, which
	// c and m types are.
	standardVCPUs = "L-1216C47A"
	// linksMissing is a zone in which there are no VPC links.
	linksMissing = "use1-az3"
)

// quotas checks what the account may run at once.
func (a Account) quotas(ctx context.Context) (out []Finding, err error) {
	s, err := a.Functions.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return nil, fmt.Errorf("read the account's settings of Lambda: %w", err)
	}
	if s.AccountLimit != nil {
		all, free := s.AccountLimit.ConcurrentExecutions, aws.ToInt32(s.AccountLimit.UnreservedConcurrentExecutions)
		if all < fewFunctions {
			out = append(out, warning("raise the quota \"Concurrent executions\" of Lambda before a load test", "%d functions may run at once; %d of these places are not reserved", all, free))
		} else {
			out = append(out, ok("%d functions may run at once; %d of these places are not reserved", all, free))
		}
	}
	q, err := a.Quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: aws.String(standardVCPUs)})
	if err != nil {
		return out, fmt.Errorf("read the quota of vCPUs: %w", err)
	}
	groups, err := a.groups(ctx)
	if err != nil {
		return out, err
	}
	most := 0
	for _, g := range groups {
		most += int(aws.ToInt32(g.MaxSize))
	}
	if vcpus := aws.ToFloat64(q.Quota.Value); vcpus < float64(2*most) {
		return append(out, warning("raise the quota \"Running On-Demand Standard instances\" of EC2, or lower the pools' max",
			"%.0f vCPUs of standard instances may run; the pools have up to %d workers with 2 vCPUs or more each", vcpus, most)), nil
	}
	return append(out, ok("%.0f vCPUs of standard instances may run; the pools have up to %d workers", aws.ToFloat64(q.Quota.Value), most)), nil
}

// subnetsOf are the subnets of a group.
func (a Account) subnetsOf(ctx context.Context, g asg.AutoScalingGroup) ([]Subnet, error) {
	out, err := a.EC2.Subnets(ctx, strings.Split(aws.ToString(g.VPCZoneIdentifier), ","))
	if err != nil {
		return nil, fmt.Errorf("describe the subnets: %w", err)
	}
	return out, nil
}

// zones checks that the zones of the network have VPC links and the pools' types.
func (a Account) zones(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		name := aws.ToString(g.AutoScalingGroupName)
		subnets, err := a.subnetsOf(ctx, g)
		if err != nil {
			return out, err
		}
		for _, s := range subnets {
			zone := s.Zone
			if s.ZoneID == linksMissing {
				out = append(out, fault("deploy with two other zones (`-c 'zones=[…]'`); `aws ec2 describe-availability-zones` lists the zones", "%s is %s, a zone in which API Gateway has no VPC links", zone, linksMissing))
			}
			missing, err := a.missingTypes(ctx, g, zone)
			if err != nil {
				return out, err
			}
			if len(missing) > 0 {
				out = append(out, warning("deploy with other zones (`-c 'zones=[…]'`), or with other instance types in the pool", "%s: zone %s does not have the instance types %s", name, zone, strings.Join(missing, ", ")))
				continue
			}
			out = append(out, ok("%s: zone %s (%s) has every instance type of the pool", name, zone, s.ZoneID))
		}
	}
	return out, err
}

// missingTypes are the instance types of a group that a zone does not offer.
func (a Account) missingTypes(ctx context.Context, g asg.AutoScalingGroup, zone string) ([]string, error) {
	want := map[string]bool{}
	if p := g.MixedInstancesPolicy; p != nil && p.LaunchTemplate != nil {
		for _, o := range p.LaunchTemplate.Overrides {
			want[aws.ToString(o.InstanceType)] = true
		}
	}
	offered, err := a.EC2.Offered(ctx, zone, slices.Sorted(maps.Keys(want)))
	if err != nil {
		return nil, fmt.Errorf("read which instance types zone %s offers: %w", zone, err)
	}
	for _, o := range offered {
		delete(want, o)
	}
	return slices.Sorted(maps.Keys(want)), nil
}

// network checks that the default security group of the stage's network is closed.
func (a Account) network(ctx context.Context) ([]Finding, error) {
	groups, err := a.groups(ctx)
	if err != nil {
		return nil, err
	}
	subnets, err := a.subnetsOf(ctx, groups[0])
	if err != nil || len(subnets) == 0 {
		return nil, err
	}
	vpc := subnets[0].VPC
	defaults, err := a.EC2.DefaultGroups(ctx, vpc)
	if err != nil {
		return nil, fmt.Errorf("describe the default security group: %w", err)
	}
	for _, g := range defaults {
		if n := len(g.Ingress) + len(g.Egress); n > 0 {
			return []Finding{fault("the EventBridge schedules close-ingress and close-egress remove these rules once a day: check whether they fail", "the default security group %s of %s has %d rules", g.ID, vpc, n)}, nil
		}
	}
	return []Finding{ok("the default security group of %s has no rules", vpc)}, nil
}

// alarms checks that the stage's alarms are there, that none rings, and that what they
// sent was taken.
func (a Account) alarms(ctx context.Context) (out []Finding, err error) {
	found, err := a.Alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(names.Prefix(a.Stage)), MaxRecords: aws.Int32(100)})
	if err != nil {
		return nil, fmt.Errorf("describe the alarms: %w", err)
	}
	if len(found.MetricAlarms) == 0 {
		return []Finding{fault("`make deploy` creates the alarms", "the stage has no alarms")}, nil
	}
	var ringing []string
	for _, alarm := range found.MetricAlarms {
		if alarm.StateValue == cw.StateValueAlarm {
			ringing = append(ringing, strings.TrimPrefix(aws.ToString(alarm.AlarmName), names.Prefix(a.Stage)))
		}
	}
	if slices.Sort(ringing); len(ringing) > 0 {
		out = append(out, warning("docs/operations.md describes what to do for each alarm", "%d of %d alarms ring: %s", len(ringing), len(found.MetricAlarms), strings.Join(ringing, ", ")))
	} else {
		out = append(out, ok("none of the %d alarms rings", len(found.MetricAlarms)))
	}
	sent, err := a.Alarms.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{HistoryItemType: cw.HistoryItemTypeAction, StartDate: aws.Time(a.Now().Add(-7 * 24 * time.Hour)), MaxRecords: aws.Int32(100)})
	if err != nil {
		return out, fmt.Errorf("read the history of the alarms: %w", err)
	}
	return append(out, a.actions(sent.AlarmHistoryItems)), nil
}

// actions says whether what the stage's alarms sent was taken.
func (a Account) actions(items []cw.AlarmHistoryItem) Finding {
	taken, failed := 0, ""
	for _, item := range items {
		if !strings.HasPrefix(aws.ToString(item.AlarmName), names.Prefix(a.Stage)) {
			continue
		}
		if summary := aws.ToString(item.HistorySummary); strings.HasPrefix(summary, "Failed") {
			failed = aws.ToString(item.AlarmName) + ": " + summary
		} else {
			taken++
		}
	}
	switch {
	case failed != "":
		return fault("check the policy of the SNS topic, and its KMS key if it has one", "an alarm could not send its notification: %s", failed)
	case taken == 0:
		return warning("`aws cloudwatch set-alarm-state --alarm-name "+names.Prefix(a.Stage)+"throttles-alarm --state-value ALARM --state-reason test` should send a mail to alarm_email", "no alarm has sent anything in a week")
	}
	return ok("all %d notifications of alarms in the last week were sent", taken)
}

// permissions looks for calls that a role of the stage was refused.
func (a Account) permissions(ctx context.Context) (out []Finding, err error) {
	logs, err := stagelogs.Find(ctx, a.Logs, a.Stage)
	if err != nil {
		return nil, err
	}
	searched := 0
	for _, l := range logs {
		name := l.Group
		if l.OfInference() { // they may do nothing that could be refused
			continue
		}
		found, err := a.Logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &name, FilterPattern: aws.String("?AccessDenied ?UnauthorizedOperation"), StartTime: aws.Int64(a.Now().Add(-24 * time.Hour).UnixMilli()), Limit: aws.Int32(1),
		})
		if err != nil {
			return out, fmt.Errorf("search %s: %w", name, err)
		}
		searched++
		for _, e := range found.Events {
			out = append(out, fault("the role in the stack, a permissions boundary or a policy of the organization does not allow the call", "%s: %s", name, strings.TrimSpace(aws.ToString(e.Message))))
		}
	}
	if len(out) == 0 {
		out = append(out, ok("no call was refused in the last day, according to %d logs", searched))
	}
	return out, nil
}
