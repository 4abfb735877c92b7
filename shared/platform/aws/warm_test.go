package aws

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/paragon-serving/paragon/shared/platform"
)

// The instances that are stopped are warm, and those of the warm pool are no workers
// of the group, in whatever state it lists them.
func TestWarmInstancesAreNoWorkers(t *testing.T) {
	in := func(states ...asg.LifecycleState) (out []asg.Instance) {
		for i, s := range states {
			out = append(out, asg.Instance{InstanceId: aws.String(string(rune('a' + i))), LifecycleState: s})
		}
		return out
	}
	g := &groups{
		group: asg.AutoScalingGroup{
			MinSize: aws.Int32(0), MaxSize: aws.Int32(8), DesiredCapacity: aws.Int32(1), WarmPoolConfiguration: &asg.WarmPoolConfiguration{},
			Instances: in(asg.LifecycleStatePending, asg.LifecycleStateWarmedStopped, asg.LifecycleStateWarmedPendingWait),
		},
		warm: in(asg.LifecycleStateWarmedStopped, asg.LifecycleStateWarmedPendingWait, asg.LifecycleStateWarmedStopped, asg.LifecycleStateWarmedTerminatingWait),
	}
	f := &fleet{groups: g, stage: "dev", now: time.Now}
	if got, err := f.Group(t.Context(), "p"); err != nil || got.Warm != 2 {
		t.Errorf("the group is %+v, error %v, want two warm instances of two pages", got, err)
	}
	ids, _, err := f.staying(t.Context(), "p")
	if err != nil || len(ids) != 1 || !ids["a"] {
		t.Errorf("%v stay, error %v, want the instance that boots to serve", ids, err)
	}

	g.unread = errors.New("throttled")
	if got, err := f.Group(t.Context(), "p"); !errors.Is(err, platform.ErrLaunchesUnread) || got.Max != 8 || got.Warm != 0 {
		t.Errorf("warm instances that cannot be read: %+v, error %v", got, err)
	}
	g.unread, g.group.WarmPoolConfiguration, g.reads = nil, nil, 0
	if got, err := f.Group(t.Context(), "p"); err != nil || got.Warm != 0 || g.reads != 0 {
		t.Errorf("without a warm pool the group is %+v, error %v, after %d reads", got, err, g.reads)
	}
}
