// Package instance is what a worker on EC2 knows of its machine: who it is,
// when it is to end, and when its group waits for it. It asks the instance's
// metadata (IMDSv2) and its Auto Scaling group.
package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Metadata is what is asked of the instance's metadata.
type Metadata interface {
	GetMetadata(context.Context, *imds.GetMetadataInput, ...func(*imds.Options)) (*imds.GetMetadataOutput, error)
}

// Groups is what is asked of Auto Scaling.
type Groups interface {
	RecordLifecycleActionHeartbeat(context.Context, *autoscaling.RecordLifecycleActionHeartbeatInput, ...func(*autoscaling.Options)) (*autoscaling.RecordLifecycleActionHeartbeatOutput, error)
	CompleteLifecycleAction(context.Context, *autoscaling.CompleteLifecycleActionInput, ...func(*autoscaling.Options)) (*autoscaling.CompleteLifecycleActionOutput, error)
}

// Targets is what is asked of the load balancer.
type Targets interface {
	DeregisterTargets(context.Context, *elb.DeregisterTargetsInput, ...func(*elb.Options)) (*elb.DeregisterTargetsOutput, error)
}

// Machine is the instance that this process runs on.
type Machine struct {
	ID, Type string
	IP       string // within its network; empty when the metadata does not say
	group    string
	metadata Metadata
	groups   Groups
	every    time.Duration
	// Of the load balancer; empty where none sends requests here.
	targets     Targets
	targetGroup string
}

const (
	pollEvery   = 5 * time.Second // at notices; a spot notice comes two minutes ahead
	callTimeout = 5 * time.Second
)

// Notice is why a machine is to leave.
type Notice string

// The notices. Spot ends the machine two minutes later, whatever it does; a
// group waits for its hook to be completed.
const (
	Spot      Notice = "spot notice"
	Terminate Notice = "termination by its group"
)

// Find asks the metadata who this machine is. Its group is that of a pool, and its
// target group the one of the load balancer, empty without one.
func Find(ctx context.Context, stage, pool, targetGroup string) (*Machine, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	m, err := find(ctx, imds.NewFromConfig(sdk, func(o *imds.Options) { o.EnableFallback = aws.FalseTernary }), autoscaling.NewFromConfig(sdk), names.Group(stage, pool), pollEvery)
	if err == nil {
		m.targets, m.targetGroup = elb.NewFromConfig(sdk), targetGroup
	}
	return m, err
}

func find(ctx context.Context, md Metadata, groups Groups, group string, every time.Duration) (*Machine, error) {
	m := &Machine{metadata: md, groups: groups, group: group, every: every}
	for path, into := range map[string]*string{"instance-id": &m.ID, "instance-type": &m.Type} {
		v, err := m.get(ctx, path)
		if err == nil && v == "" {
			err = errors.New("the instance metadata does not have it")
		}
		if err != nil {
			return nil, fmt.Errorf("read the %s of this machine: %w", path, err)
		}
		*into = v
	}
	if ip, err := m.get(ctx, "local-ipv4"); err == nil {
		m.IP = ip
	}
	return m, nil
}

// get returns a value of the metadata; empty when there is none now.
func (m *Machine) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := m.metadata.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	v, err := io.ReadAll(io.LimitReader(out.Content, 4<<10))
	return strings.TrimSpace(string(v)), err
}

// Watch returns the first notice to leave; empty when ctx ends before one.
// Metadata that cannot be read is asked again.
func (m *Machine) Watch(ctx context.Context) Notice {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if n := m.poll(ctx); n != "" {
			return n
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return ""
}

func (m *Machine) poll(ctx context.Context) Notice {
	if v, err := m.get(ctx, "spot/instance-action"); err == nil && v != "" {
		return Spot
	}
	if m.terminating(ctx) {
		return Terminate
	}
	return ""
}

// targetState is the metadata's path to the state that the group brings this machine
// to: InService, Terminated, or one of its warm pool.
const targetState = "autoscaling/target-lifecycle-state"

// terminating reports whether the group is about to end this machine.
func (m *Machine) terminating(ctx context.Context) bool {
	v, err := m.get(ctx, targetState)
	return err == nil && targetOf(v) == End
}

// Deregister has the load balancer send this machine no more requests; those under
// way are finished. Without a load balancer it does nothing.
func (m *Machine) Deregister(ctx context.Context) error {
	if m.targetGroup == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := m.targets.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{
		TargetGroupArn: &m.targetGroup, Targets: []types.TargetDescription{{Id: &m.ID}},
	})
	if err != nil {
		return fmt.Errorf("deregister from the load balancer: %w", err)
	}
	return nil
}

// AwaitHook returns once the group's termination hook waits for this machine:
// the group has then deregistered it from the load balancer and waited for its open
// requests. A heartbeat of the hook is refused until then.
func (m *Machine) AwaitHook(ctx context.Context) error {
	return m.untilHookWaits(ctx, "await the hook", func(ctx context.Context) error {
		_, err := m.groups.RecordLifecycleActionHeartbeat(ctx, &autoscaling.RecordLifecycleActionHeartbeatInput{
			AutoScalingGroupName: &m.group, InstanceId: &m.ID, LifecycleHookName: aws.String(names.TerminationHook),
		})
		return err
	})
}

// Complete reports to the group's hook that there is nothing left to wait for, as soon
// as the hook waits.
func (m *Machine) Complete(ctx context.Context) error {
	return m.complete(ctx, names.TerminationHook)
}

func (m *Machine) complete(ctx context.Context, hook string) error {
	return m.untilHookWaits(ctx, "complete the hook "+hook, func(ctx context.Context) error {
		_, err := m.groups.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{
			AutoScalingGroupName: &m.group, InstanceId: &m.ID, LifecycleHookName: &hook, LifecycleActionResult: aws.String("CONTINUE"),
		})
		return err
	})
}

// untilHookWaits repeats a call that the group refuses while its hook does not
// wait, until ctx ends.
func (m *Machine) untilHookWaits(ctx context.Context, what string, call func(context.Context) error) error {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for {
		err := call(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s of group %s: %w", what, m.group, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}
