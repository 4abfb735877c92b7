package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Drain implements platform.Fleet: the group ends the workers' instances, each
// with its place in the group. It deregisters an instance from the load balancer,
// waits for its open requests, and then for the worker, which completes the
// termination hook once it is empty. A worker learns of the mark with its next
// report, and before its instance's metadata do.
func (f *fleet) Drain(ctx context.Context, pool string, ids ...string) error {
	staying, _, err := f.staying(ctx, pool)
	if err != nil {
		return fmt.Errorf("drain workers of pool %s: %w", pool, err)
	}
	for _, id := range ids {
		if staying[id] {
			if err := f.terminate(ctx, id, true); err != nil {
				return fmt.Errorf("drain worker %s of pool %s: %w", id, pool, err)
			}
		}
		if err := f.mark(ctx, pool, id); err != nil {
			return fmt.Errorf("drain worker %s of pool %s: %w", id, pool, err)
		}
	}
	return nil
}

// Replace implements platform.Fleet: the group ends the workers' instances. One
// takes its place with it while more are desired than workers; for any other the
// group launches an instance at once.
func (f *fleet) Replace(ctx context.Context, pool string, workers int, ids ...string) error {
	staying, g, err := f.staying(ctx, pool)
	if err != nil {
		return fmt.Errorf("replace workers of pool %s: %w", pool, err)
	}
	least := max(int32(workers), aws.ToInt32(g.MinSize))
	desired := aws.ToInt32(g.DesiredCapacity)
	for _, id := range ids {
		if staying[id] {
			shrink := desired > least
			if err := f.terminate(ctx, id, shrink); err != nil {
				return fmt.Errorf("replace worker %s of pool %s: %w", id, pool, err)
			}
			if shrink {
				desired--
			}
		}
		if err := f.markGone(ctx, pool, id); err != nil {
			return err
		}
	}
	return nil
}

// staying are the ids of the instances of a pool's group that are not on their
// way out, with the group; none without a group, as a pool may be of workers that
// nobody launched.
func (f *fleet) staying(ctx context.Context, pool string) (map[string]bool, asg.AutoScalingGroup, error) {
	g, err := f.group(ctx, pool)
	if errors.Is(err, platform.ErrNotFound) {
		return nil, g, nil
	}
	ids := map[string]bool{}
	for _, i := range g.Instances {
		if !leaving(i) {
			ids[aws.ToString(i.InstanceId)] = true
		}
	}
	return ids, g, err
}

// terminate has the group end an instance; shrink takes its place with it.
func (f *fleet) terminate(ctx context.Context, id string, shrink bool) error {
	_, err := f.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
		InstanceId: &id, ShouldDecrementDesiredCapacity: &shrink,
	})
	return failed("end its instance", err)
}

// mark has a worker leave with its next report.
func (f *fleet) mark(ctx context.Context, pool, id string) error {
	_, _, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: workerKey(pool, id), ConditionExpression: ifNotGone,
		UpdateExpression:         aws.String("SET #drain = :yes, #ttl = :ttl"),
		ExpressionAttributeNames: placeholders(stateAttribute, drainAttribute, names.StateTTL),
		ExpressionAttributeValues: item{
			":yes": &types.AttributeValueMemberBOOL{Value: true}, ":gone": text(string(platform.Gone)), ":ttl": f.until(),
		},
	})
	return err
}

// markGone declares a worker dead: its next report is refused.
func (f *fleet) markGone(ctx context.Context, pool, id string) error {
	_, _, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: workerKey(pool, id), UpdateExpression: aws.String("SET #state = :gone, #ttl = :ttl"),
		ExpressionAttributeNames:  placeholders(stateAttribute, names.StateTTL),
		ExpressionAttributeValues: item{":gone": text(string(platform.Gone)), ":ttl": f.until()},
	})
	if err != nil {
		return fmt.Errorf("declare worker %s dead: %w", id, err)
	}
	return nil
}
