package aws

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	// activitiesRead are the newest activities of a group that are read.
	activitiesRead = 20
	// faultAge is how long a failed launch counts while no other has ended: a
	// group tries again ever more rarely.
	faultAge = 15 * time.Minute
	// launchActivity begins the description of every launch.
	launchActivity = "Launching"
	// longestFault bounds the reason of a failed launch, in bytes.
	longestFault = 240
)

// launchFault returns why the newest launch of a group that has ended failed;
// empty when it did not. Capacity and quota errors stand in a group's activities
// and nowhere else.
func (f *fleet) launchFault(ctx context.Context, g asg.AutoScalingGroup) (string, error) {
	out, err := f.groups.DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{
		AutoScalingGroupName: g.AutoScalingGroupName, MaxRecords: aws.Int32(activitiesRead),
	})
	if err != nil {
		return "", failed("read the activities of group "+aws.ToString(g.AutoScalingGroupName), err)
	}
	for _, a := range out.Activities { // newest first
		if !strings.HasPrefix(aws.ToString(a.Description), launchActivity) || f.now().Sub(aws.ToTime(a.StartTime)) > faultAge {
			continue
		}
		switch a.StatusCode {
		case asg.ScalingActivityStatusCodeFailed, asg.ScalingActivityStatusCodeCancelled:
			return firstSentence(cmp.Or(aws.ToString(a.StatusMessage), string(a.StatusCode))), nil
		case asg.ScalingActivityStatusCodeSuccessful:
			return "", nil
		}
	}
	return "", nil
}

// firstSentence is the first sentence of a message, within longestFault.
func firstSentence(message string) string {
	first, _, _ := strings.Cut(message, ". ")
	return strings.TrimSuffix(first[:min(len(first), longestFault)], ".")
}

// bootingSince says since when an instance that has not reported is known, and
// notes it when it is seen for the first time: Auto Scaling does not say when it
// launched an instance.
func (f *fleet) bootingSince(ctx context.Context, pool, id string) (time.Time, error) {
	row, _, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key:                      workerKey(pool, id),
		UpdateExpression:         aws.String("SET #launched = if_not_exists(#launched, :now), #ttl = if_not_exists(#ttl, :ttl)"),
		ExpressionAttributeNames: placeholders(launchedAttribute, names.StateTTL),
		ExpressionAttributeValues: item{
			":now": number(f.now().UnixMicro()), ":ttl": f.until(),
		},
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("store the launch of %s: %w", id, err)
	}
	return time.UnixMicro(numberOf(row, launchedAttribute)).UTC(), nil
}

// booting are the instances that are to stay and have not reported, with since
// when by their rows or, without one, from now on.
func (f *fleet) booting(ctx context.Context, pool string, silent []asg.Instance, since map[string]time.Time) ([]platform.WorkerReport, error) {
	var out []platform.WorkerReport
	for _, i := range silent {
		id := aws.ToString(i.InstanceId)
		at, known := since[id]
		if !known {
			var err error
			if at, err = f.bootingSince(ctx, pool, id); err != nil {
				return nil, err
			}
		}
		out = append(out, platform.WorkerReport{ID: id, Pool: pool, InstanceType: aws.ToString(i.InstanceType), State: platform.Booting, At: at})
	}
	return out, nil
}
