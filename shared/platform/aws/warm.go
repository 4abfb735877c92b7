package aws

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// warmed reports whether an instance is in its group's warm pool: prepared, in
// preparation or about to end, and not one that serves or boots to serve.
func warmed(i asg.Instance) bool { return strings.HasPrefix(string(i.LifecycleState), names.WarmState) }

// warm counts the instances of a group's warm pool that are ready to be started. A
// group without such a pool costs no call.
func (f *fleet) warm(ctx context.Context, g asg.AutoScalingGroup) (n int, err error) {
	if g.WarmPoolConfiguration == nil {
		return 0, nil
	}
	in := &autoscaling.DescribeWarmPoolInput{AutoScalingGroupName: g.AutoScalingGroupName}
	for {
		out, err := f.groups.DescribeWarmPool(ctx, in)
		if err != nil {
			return 0, failed("read the warm pool of group "+aws.ToString(g.AutoScalingGroupName), err)
		}
		for _, i := range out.Instances {
			if i.LifecycleState == asg.LifecycleStateWarmedStopped {
				n++
			}
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return n, nil
		}
	}
}
