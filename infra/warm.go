package infra

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// mostWarm bounds the warm instances of a pool, whose disks are paid for.
const mostWarm = 1000

// checkWarm holds the warm instances of a pool to what a group takes.
func (p Pool) checkWarm() error {
	if p.Warm < 0 || p.Warm > mostWarm {
		return fmt.Errorf("warm is %d, which is outside 0 to %d", p.Warm, mostWarm)
	}
	if p.Warm > 0 && p.SpotPercent > 0 {
		return fmt.Errorf("warm is %d and spot_percent is %d: one of them must be 0, because a group with spot instances cannot have a warm pool", p.Warm, p.SpotPercent)
	}
	return nil
}

// hooks are the lifecycle hooks of a group: workers that leave drain first, and an
// instance is in service once its worker serves, so that an instance refresh does not go
// on over workers that never start. One of a warm pool waits until it is prepared, too.
// One that never is either is ended.
func (s *stack) hooks() []any {
	return []any{&awsautoscaling.CfnAutoScalingGroup_LifecycleHookSpecificationProperty{
		LifecycleHookName: text(names.TerminationHook), LifecycleTransition: text("autoscaling:EC2_INSTANCE_TERMINATING"),
		HeartbeatTimeout: jsii.Number(s.drainSeconds()), DefaultResult: text("CONTINUE"),
	}, &awsautoscaling.CfnAutoScalingGroup_LifecycleHookSpecificationProperty{
		LifecycleHookName: text(names.LaunchHook), LifecycleTransition: text("autoscaling:EC2_INSTANCE_LAUNCHING"),
		HeartbeatTimeout: jsii.Number(max(leastHookSeconds, s.Config.tuned().BootLimitSeconds)), DefaultResult: text("ABANDON"),
	}}
}

// leastHookSeconds is the shortest timeout that a lifecycle hook may have.
const leastHookSeconds = 30

// warmPool keeps a pool's warm instances: prepared, stopped, and paid for by their
// disks. Least and most are the same, which makes their number fixed. An instance
// that leaves the group is ended and does not return, as a worker that was declared
// gone never serves again.
func (s *stack) warmPool(p poolPlan, g awsautoscaling.CfnAutoScalingGroup) {
	if p.Warm == 0 {
		return
	}
	awsautoscaling.NewCfnWarmPool(s.Stack, text("Warm"+pascal(p.name)), &awsautoscaling.CfnWarmPoolProps{
		AutoScalingGroupName: g.Ref(), PoolState: text("Stopped"),
		MinSize: jsii.Number(float64(p.Warm)), MaxGroupPreparedCapacity: jsii.Number(float64(p.Warm)),
		InstanceReusePolicy: &awsautoscaling.CfnWarmPool_InstanceReusePolicyProperty{ReuseOnScaleIn: false},
	})
}

// describedOfGroups are the descriptions of groups that the controller reads besides
// the groups themselves.
func (s *stack) describedOfGroups() []string {
	actions := []string{"autoscaling:DescribeScalingActivities"}
	if slices.ContainsFunc(s.pools, func(p poolPlan) bool { return p.Warm > 0 }) {
		actions = append(actions, "autoscaling:DescribeWarmPool")
	}
	return actions
}
