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

	"paragon/shared/platform"
	"paragon/shared/platform/aws/names"
)

// The attributes of a worker's row.
const (
	reportAttribute   = "report"
	launchedAttribute = "launched" // first report, in Unix microseconds
	drainAttribute    = "drain"
	documentAttribute = "doc"
)

const (
	// keepWorkers is how long a worker's row outlives its last report.
	keepWorkers = 24 * time.Hour
	// silence is how long a worker that no group lists is believed to be there.
	silence = time.Minute
	// maxWorkers bounds the rows read of one pool.
	maxWorkers = 10_000
)

// fleet is the pools' Auto Scaling groups, with what their workers report kept
// in the table of the stage's state.
type fleet struct {
	groups groupClient
	table  table
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
	return out.AutoScalingGroups[0], nil
}

// Group implements cloud.Groups: the limits as they are now.
func (f *fleet) Group(ctx context.Context, pool string) (platform.Group, error) {
	g, err := f.group(ctx, pool)
	if err != nil {
		return platform.Group{}, err
	}
	return platform.Group{Min: int(aws.ToInt32(g.MinSize)), Max: int(aws.ToInt32(g.MaxSize)), Desired: int(aws.ToInt32(g.DesiredCapacity))}, nil
}

// SetDesired implements cloud.Fleet, within the group's own limits as they are
// now. It never goes below the instances there are, since the group would
// choose its victims itself: a drained worker takes its place with it.
func (f *fleet) SetDesired(ctx context.Context, pool string, workers int) error {
	attempt := fmt.Sprintf("desire %d workers of pool %s", workers, pool)
	if workers < 0 {
		return fmt.Errorf("%s: below 0", attempt)
	}
	g, err := f.group(ctx, pool)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	if most := aws.ToInt32(g.MaxSize); workers > int(most) { // moto takes it; AWS does not
		return fmt.Errorf("%s: the group has at most %d", attempt, most)
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

// leaving tells whether an instance is on its way out.
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

// Workers implements cloud.Fleet: the instances of the group with what they
// last reported, and those that report without being in it. An instance that
// has not reported yet is booting.
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
	return f.join(pool, g.Instances, rows)
}

// join puts instances and reports together, in the order of their first report.
func (f *fleet) join(pool string, instances []asg.Instance, rows []item) ([]platform.WorkerReport, error) {
	inGroup := map[string]asg.Instance{}
	for _, i := range instances {
		inGroup[aws.ToString(i.InstanceId)] = i
	}
	slices.SortStableFunc(rows, func(a, b item) int {
		return cmp.Compare(numberOf(a, launchedAttribute), numberOf(b, launchedAttribute))
	})
	var out []platform.WorkerReport
	for _, row := range rows {
		id := textOf(row, names.StateSort)
		i, listed := inGroup[id]
		if textOf(row, reportAttribute) == "" { // marked before its first report
			continue
		}
		delete(inGroup, id)
		var r platform.WorkerReport
		if err := read(row, reportAttribute, &r); err != nil {
			return nil, fmt.Errorf("report of worker %s: %w", id, err)
		}
		if r.State == platform.Gone || textOf(row, stateAttribute) == string(platform.Gone) || !listed && f.now().Sub(r.At) > silence {
			continue
		}
		if listed && leaving(i) || marked(row) {
			r.State = platform.Draining
		}
		out = append(out, r)
	}
	for _, i := range instances {
		if _, silent := inGroup[aws.ToString(i.InstanceId)]; silent && !leaving(i) {
			out = append(out, platform.WorkerReport{ID: aws.ToString(i.InstanceId), Pool: pool, InstanceType: aws.ToString(i.InstanceType), State: platform.Booting, At: f.now()})
		}
	}
	return out, nil
}
