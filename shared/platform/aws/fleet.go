package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// The attributes of a worker's row.
const (
	reportAttribute   = "report"
	launchedAttribute = "launched" // when it was first seen, in Unix microseconds
	drainAttribute    = "drain"
	documentAttribute = "doc"
)

const (
	// keepWorkers is how long a worker's row outlives its last report.
	keepWorkers = 24 * time.Hour
	// keepUnlisted is how long after its last report a worker that no group lists counts as
	// there: one that was terminated a moment ago.
	keepUnlisted = time.Minute
	// maxWorkers bounds the rows read of one pool.
	maxWorkers = 10_000
)

// fleet is the pools' Auto Scaling groups, with what their workers report kept
// in the table of the stage's state.
type fleet struct {
	groups groupClient
	table  table
	owners *owners
	stage  string
	now    func() time.Time
}

func stateKey(kind, name string) item {
	return item{names.StateKey: text(kind), names.StateSort: text(name)}
}

func workerKey(pool, id string) item { return stateKey("pool#"+pool, id) }

// group reads a pool's group as it is now. ErrNotFound when there is none.
func (f *fleet) group(ctx context.Context, pool string) (asg.AutoScalingGroup, error) {
	name := names.Group(f.stage, pool)
	out, err := f.groups.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil {
		return asg.AutoScalingGroup{}, failed("describe group "+name, err)
	}
	if len(out.AutoScalingGroups) == 0 {
		return asg.AutoScalingGroup{}, fmt.Errorf("describe group %s: %w", name, platform.ErrNotFound)
	}
	g := out.AutoScalingGroups[0]
	g.Instances = slices.DeleteFunc(g.Instances, warmed) // they are nobody's workers
	return g, nil
}

// Group implements platform.Groups: the limits as they are now, the instances that
// are warm, and while instances are missing why the newest launch failed.
func (f *fleet) Group(ctx context.Context, pool string) (platform.Group, error) {
	g, err := f.group(ctx, pool)
	if err != nil {
		return platform.Group{}, err
	}
	out := platform.Group{Min: int(aws.ToInt32(g.MinSize)), Max: int(aws.ToInt32(g.MaxSize)), Desired: int(aws.ToInt32(g.DesiredCapacity))}
	var errs []error
	if out.Warm, err = f.warm(ctx, g); err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", platform.ErrLaunchesUnread, err))
	}
	if int(standing(g)) < out.Desired {
		if out.LaunchFault, err = f.launchFault(ctx, g); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", platform.ErrLaunchesUnread, err))
		}
	}
	return out, errors.Join(errs...)
}

// SetDesired implements platform.Fleet, within the group's own limits as they are
// now. It never goes below the instances there are, since the group would
// choose its victims itself: Drain and Replace name them.
func (f *fleet) SetDesired(ctx context.Context, pool string, workers int) error {
	attempt := fmt.Sprintf("set the desired capacity of pool %[2]s to %[1]d", workers, pool)
	if workers < 0 {
		return fmt.Errorf("%s: the number must be 0 or more", attempt)
	}
	g, err := f.group(ctx, pool)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	if most := aws.ToInt32(g.MaxSize); workers > int(most) { // moto takes it; AWS does not
		return fmt.Errorf("%s: the maximum of the Auto Scaling group is %d", attempt, most)
	}
	target := max(int32(workers), aws.ToInt32(g.MinSize), min(standing(g), aws.ToInt32(g.MaxSize)))
	if target == aws.ToInt32(g.DesiredCapacity) {
		return nil
	}
	_, err = f.groups.SetDesiredCapacity(ctx, &autoscaling.SetDesiredCapacityInput{
		AutoScalingGroupName: g.AutoScalingGroupName, DesiredCapacity: &target, HonorCooldown: aws.Bool(false),
	})
	return failed(attempt, err)
}

// leaving reports whether an instance is on its way out.
func leaving(i asg.Instance) bool {
	switch i.LifecycleState {
	case asg.LifecycleStateTerminating, asg.LifecycleStateTerminatingWait, asg.LifecycleStateTerminatingProceed,
		asg.LifecycleStateTerminated, asg.LifecycleStateDetaching, asg.LifecycleStateDetached:
		return true
	}
	return false
}

// standing counts the instances that are to stay.
func standing(g asg.AutoScalingGroup) int32 {
	n := int32(0)
	for _, i := range g.Instances {
		if !leaving(i) {
			n++
		}
	}
	return n
}

// Workers implements platform.Fleet: the instances of the group with what they
// last reported, and those that report without being in it. An instance that
// has not reported yet is booting, since it was first seen.
func (f *fleet) Workers(ctx context.Context, pool string) ([]platform.WorkerReport, error) {
	attempt := "list the workers of pool " + pool
	g, err := f.group(ctx, pool)
	if err != nil && !errors.Is(err, platform.ErrNotFound) { // a pool may be of workers that nobody launched
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	rows, err := f.table.search(ctx, &dynamodb.QueryInput{
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pool"),
		ExpressionAttributeNames:  placeholders(names.StateKey),
		ExpressionAttributeValues: item{":pool": text("pool#" + pool)},
	}, maxWorkers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	reports, silent, since, err := f.join(g.Instances, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	booting, err := f.booting(ctx, pool, silent, since)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	return append(reports, booting...), nil
}

// join puts instances and reports together, in the order in which they were first
// seen. It returns the instances besides that are to stay and have not reported,
// and since when they are known, as far as their rows say.
func (f *fleet) join(instances []asg.Instance, rows []item) (out []platform.WorkerReport, silent []asg.Instance, since map[string]time.Time, err error) {
	inGroup, since := map[string]asg.Instance{}, map[string]time.Time{}
	for _, i := range instances {
		inGroup[aws.ToString(i.InstanceId)] = i
	}
	slices.SortStableFunc(rows, func(a, b item) int {
		return cmp.Compare(numberOf(a, launchedAttribute), numberOf(b, launchedAttribute))
	})
	reported := map[string]bool{}
	for _, row := range rows {
		id, launched := textOf(row, names.StateSort), numberOf(row, launchedAttribute)
		i, listed := inGroup[id]
		gone := textOf(row, stateAttribute) == string(platform.Gone)
		if textOf(row, reportAttribute) == "" && !gone {
			if launched > 0 {
				since[id] = time.UnixMicro(launched).UTC()
			}
			continue
		}
		if reported[id] = true; gone {
			continue
		}
		var r platform.WorkerReport
		if err := read(row, reportAttribute, &r); err != nil {
			return nil, nil, nil, fmt.Errorf("report of worker %s: %w", id, err)
		}
		if !listed && f.now().Sub(r.At) > keepUnlisted {
			continue
		}
		if listed && leaving(i) || marked(row) {
			r.State = platform.Draining
		}
		out = append(out, r)
	}
	for _, i := range instances {
		if !reported[aws.ToString(i.InstanceId)] && !leaving(i) {
			silent = append(silent, i)
		}
	}
	return out, silent, since, nil
}
