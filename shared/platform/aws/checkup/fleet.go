package checkup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	targets "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// groups are the groups of the stage's pools.
func (a Account) groups(ctx context.Context) ([]asg.AutoScalingGroup, error) {
	in := &autoscaling.DescribeAutoScalingGroupsInput{}
	for _, pool := range a.Pools {
		in.AutoScalingGroupNames = append(in.AutoScalingGroupNames, names.Group(a.Stage, pool))
	}
	out, err := a.Groups.DescribeAutoScalingGroups(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("describe the Auto Scaling groups: %w", err)
	}
	if len(out.AutoScalingGroups) != len(a.Pools) {
		return nil, fmt.Errorf("describe the Auto Scaling groups: %d groups were found for %d pools; deploy the stack again", len(out.AutoScalingGroups), len(a.Pools))
	}
	return out.AutoScalingGroups, nil
}

// machines checks that machines start, and that all are of the newest release.
func (a Account) machines(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		name, newest := aws.ToString(g.AutoScalingGroupName), ""
		if p := g.MixedInstancesPolicy; p != nil && p.LaunchTemplate != nil && p.LaunchTemplate.LaunchTemplateSpecification != nil {
			newest = aws.ToString(p.LaunchTemplate.LaunchTemplateSpecification.Version)
		}
		serving, old := 0, 0
		for _, i := range g.Instances {
			if i.LifecycleState == asg.LifecycleStateInService {
				serving++
			}
			if i.LaunchTemplate == nil || newest != "" && aws.ToString(i.LaunchTemplate.Version) != newest {
				old++
			}
		}
		switch {
		case old > 0:
			out = append(out, warning("run `make deploy` again to replace them; `aws autoscaling describe-instance-refreshes` says why the last deployment did not",
				"%s: %d of %d instances run an earlier release than launch template version %s", name, old, len(g.Instances), newest))
		case len(g.Instances) == 0:
			out = append(out, warning("run `paragon tune set min_workers 1`, and run doctor again within five minutes", "%s: no instance runs, so the start of a worker could not be checked", name))
		default:
			out = append(out, ok("%s: %d of %d instances are in service, and all run the newest release", name, serving, len(g.Instances)))
		}
	}
	return out, err
}

// recentActivities are how many activities of a group are read.
const recentActivities = 100

func (a Account) activities(ctx context.Context, group asg.AutoScalingGroup) ([]asg.Activity, error) {
	out, err := a.Groups.DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{
		AutoScalingGroupName: group.AutoScalingGroupName, MaxRecords: aws.Int32(recentActivities),
	})
	if err != nil {
		return nil, fmt.Errorf("read the activities of %s: %w", aws.ToString(group.AutoScalingGroupName), err)
	}
	return out.Activities, nil
}

// launches checks whether launches have failed, and says why.
func (a Account) launches(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		activities, err := a.activities(ctx, g)
		if err != nil {
			return out, err
		}
		name, failed := aws.ToString(g.AutoScalingGroupName), []asg.Activity{}
		for _, one := range activities {
			if one.StatusCode == asg.ScalingActivityStatusCodeFailed {
				failed = append(failed, one)
			}
		}
		if len(failed) == 0 {
			out = append(out, ok("%s: none of the newest %d scaling activities failed", name, len(activities)))
			continue
		}
		newest := failed[0]
		out = append(out, warning("add instance types or zones, or raise the quota; until then queries overflow to functions", "%s: %d of the newest %d scaling activities failed, the last one at %s: %s",
			name, len(failed), len(activities), aws.ToTime(newest.StartTime).Format(time.RFC3339), aws.ToString(newest.StatusMessage)))
	}
	return out, err
}

// drains checks that workers that left completed their hook: one that does not is
// waited for until the hook's time is over.
func (a Account) drains(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		activities, err := a.activities(ctx, g)
		if err != nil {
			return out, err
		}
		name, ended, late := aws.ToString(g.AutoScalingGroupName), 0, 0
		for _, one := range activities {
			if one.StatusCode != asg.ScalingActivityStatusCodeSuccessful || !strings.HasPrefix(aws.ToString(one.Description), "Terminating ") {
				continue
			}
			ended++
			if aws.ToTime(one.EndTime).Sub(aws.ToTime(one.StartTime)) > hookSeconds*time.Second {
				late++
			}
		}
		switch {
		case ended == 0:
			out = append(out, warning("run `paragon tune set max_workers 0` while `paragon-lab load` runs, and then run doctor again", "%s: no worker has been terminated yet, so draining could not be checked", name))
		case late > 0:
			out = append(out, fault("read the last lines of the worker's log: it did not complete the termination hook, so the group waited for the hook's timeout", "%s: %d of %d terminations took more than %d s", name, late, ended, hookSeconds))
		default:
			out = append(out, ok("%s: %d terminations, each within %d s", name, ended, hookSeconds))
		}
	}
	return out, err
}

// hookSeconds is the least time that a group takes for a machine whose worker does not
// complete its hook: 30 s of deregistration and 120 s of the hook.
const hookSeconds = 150

// targets checks that the load balancer reaches every machine that is in service.
func (a Account) targets(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		name := aws.ToString(g.AutoScalingGroupName)
		if len(g.TargetGroupARNs) == 0 {
			out = append(out, ok("%s: there is no load balancer", name))
			continue
		}
		health, err := a.Targets.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &g.TargetGroupARNs[0]})
		if err != nil {
			return out, fmt.Errorf("read the health of the targets: %w", err)
		}
		var unwell []string
		for _, t := range health.TargetHealthDescriptions {
			if t.TargetHealth != nil && t.TargetHealth.State == targets.TargetHealthStateEnumUnhealthy {
				unwell = append(unwell, aws.ToString(t.Target.Id)+" "+aws.ToString(t.TargetHealth.Description))
			}
		}
		if slices.Sort(unwell); len(unwell) > 0 {
			out = append(out, fault("read the worker's log; the group replaces the worker, but no earlier than five minutes after it came into service", "%s: unhealthy: %s", name, strings.Join(unwell, ", ")))
			continue
		}
		out = append(out, ok("%s: none of %d targets is unhealthy", name, len(health.TargetHealthDescriptions)))
	}
	return out, err
}

// rebalancing checks that no group ends workers to balance its zones: it would not
// drain them.
func (a Account) rebalancing(ctx context.Context) (out []Finding, err error) {
	groups, err := a.groups(ctx)
	for _, g := range groups {
		name := aws.ToString(g.AutoScalingGroupName)
		if !slices.ContainsFunc(g.SuspendedProcesses, func(p asg.SuspendedProcess) bool { return aws.ToString(p.ProcessName) == "AZRebalance" }) {
			out = append(out, fault("the EventBridge schedule zones-<pool> suspends it every five minutes: check whether the schedule fails", "%s: zone rebalancing is not suspended", name))
			continue
		}
		out = append(out, ok("%s: zone rebalancing is suspended", name))
	}
	return out, err
}
