package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"paragon/shared/cloud"
	"paragon/shared/cloud/aws/names"
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
	log    *slog.Logger
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
		return asg.AutoScalingGroup{}, fmt.Errorf("describe group %s: %w", name, cloud.ErrNotFound)
	}
	return out.AutoScalingGroups[0], nil
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
	target := min(max(int32(workers), aws.ToInt32(g.MinSize), standing(g)), aws.ToInt32(g.MaxSize))
	if int(target) != workers {
		f.log.Info("the group bounds its size", "pool", pool, "wanted", workers, "set", target,
			"min", aws.ToInt32(g.MinSize), "max", aws.ToInt32(g.MaxSize), "there", standing(g))
	}
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
func (f *fleet) Workers(ctx context.Context, pool string) ([]cloud.WorkerReport, error) {
	attempt := "list the workers of pool " + pool
	g, err := f.group(ctx, pool)
	if err != nil && !errors.Is(err, cloud.ErrNotFound) { // a pool may be of workers that nobody launched
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
func (f *fleet) join(pool string, instances []asg.Instance, rows []item) ([]cloud.WorkerReport, error) {
	inGroup := map[string]asg.Instance{}
	for _, i := range instances {
		inGroup[aws.ToString(i.InstanceId)] = i
	}
	slices.SortStableFunc(rows, func(a, b item) int {
		return cmp.Compare(numberOf(a, launchedAttribute), numberOf(b, launchedAttribute))
	})
	var out []cloud.WorkerReport
	for _, row := range rows {
		id := textOf(row, names.StateSort)
		i, listed := inGroup[id]
		if textOf(row, reportAttribute) == "" { // marked before its first report
			continue
		}
		delete(inGroup, id)
		var r cloud.WorkerReport
		if err := read(row, reportAttribute, &r); err != nil {
			return nil, fmt.Errorf("report of worker %s: %w", id, err)
		}
		if r.State == cloud.Gone || textOf(row, stateAttribute) == string(cloud.Gone) || !listed && f.now().Sub(r.At) > silence {
			continue
		}
		if listed && leaving(i) {
			r.State = cloud.Draining
		}
		out = append(out, r)
	}
	for _, i := range instances {
		if _, silent := inGroup[aws.ToString(i.InstanceId)]; silent && !leaving(i) {
			out = append(out, cloud.WorkerReport{ID: aws.ToString(i.InstanceId), Pool: pool, InstanceType: aws.ToString(i.InstanceType), State: cloud.Booting, At: f.now()})
		}
	}
	return out, nil
}

// ifNotGone is the condition of every write to a worker's row but the last.
var ifNotGone = aws.String("attribute_not_exists(#state) OR #state <> :gone")

// Drain implements cloud.Fleet. A worker that has not reported yet finds the
// mark when it does.
func (f *fleet) Drain(ctx context.Context, pool string, ids ...string) error {
	for _, id := range ids {
		_, _, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
			Key: workerKey(pool, id), ConditionExpression: ifNotGone,
			UpdateExpression:         aws.String("SET #drain = :yes, #ttl = :ttl"),
			ExpressionAttributeNames: placeholders(stateAttribute, drainAttribute, names.StateTTL),
			ExpressionAttributeValues: item{
				":yes": &types.AttributeValueMemberBOOL{Value: true}, ":gone": text(string(cloud.Gone)), ":ttl": f.until(),
			},
		})
		if err != nil {
			return fmt.Errorf("drain worker %s of pool %s: %w", id, pool, err)
		}
	}
	return nil
}

// until is when a worker's row may be deleted.
func (f *fleet) until() types.AttributeValue { return number(f.now().Add(keepWorkers).Unix()) }

// Report implements cloud.Fleet: one write. A worker that reports itself gone
// is gone for good, like one that was declared dead.
func (f *fleet) Report(ctx context.Context, r cloud.WorkerReport) (cloud.Orders, error) {
	attempt := "report of worker " + r.ID
	doc, err := document(r)
	if err != nil {
		return cloud.Orders{}, fmt.Errorf("%s: %w", attempt, err)
	}
	row, held, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: workerKey(r.Pool, r.ID), ConditionExpression: ifNotGone,
		UpdateExpression:         aws.String("SET #report = :report, #state = :state, #ttl = :ttl, #launched = if_not_exists(#launched, :now)"),
		ExpressionAttributeNames: placeholders(stateAttribute, reportAttribute, launchedAttribute, names.StateTTL),
		ExpressionAttributeValues: item{
			":report": doc, ":state": text(string(r.State)), ":ttl": f.until(), ":now": number(f.now().UnixMicro()), ":gone": text(string(cloud.Gone)),
		},
	})
	if err == nil && !held {
		err = cloud.ErrRevoked
	}
	if err != nil {
		return cloud.Orders{}, fmt.Errorf("%s: %w", attempt, err)
	}
	drain, _ := row[drainAttribute].(*types.AttributeValueMemberBOOL)
	return cloud.Orders{Drain: drain != nil && drain.Value}, nil
}

// markGone declares a worker dead: its next report is told so.
func (f *fleet) markGone(ctx context.Context, pool, id string) error {
	_, _, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: workerKey(pool, id), UpdateExpression: aws.String("SET #state = :gone, #ttl = :ttl"),
		ExpressionAttributeNames:  placeholders(stateAttribute, names.StateTTL),
		ExpressionAttributeValues: item{":gone": text(string(cloud.Gone)), ":ttl": f.until()},
	})
	if err != nil {
		return fmt.Errorf("declare worker %s dead: %w", id, err)
	}
	return nil
}

// PublishView implements cloud.Fleet.
func (f *fleet) PublishView(ctx context.Context, v cloud.View) error {
	doc, err := document(v)
	if err != nil {
		return fmt.Errorf("publish the fleet view: %w", err)
	}
	row := stateKey("view", "view")
	row[documentAttribute] = doc
	_, err = f.table.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &f.table.name, Item: row})
	return failed("publish the fleet view", err)
}

// View implements cloud.Fleet.
func (f *fleet) View(ctx context.Context) (cloud.View, error) {
	var v cloud.View
	row, err := f.table.get(ctx, stateKey("view", "view"))
	if err == nil && row == nil {
		err = cloud.ErrNotFound
	}
	if err == nil {
		err = read(row, documentAttribute, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read the fleet view: %w", err)
	}
	return v, nil
}
