package aws

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// makeStage makes what the stack makes for a stage with the pool "contract".
func makeStage(t *testing.T, sdk aws.Config, c Config) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	q := sqs.NewFromConfig(sdk)
	for _, name := range []platform.QueueName{platform.Overflow, platform.DeadLetters, platform.CallbackQueue, platform.WorkQueue("contract", query.Strict), platform.WorkQueue("contract", query.Relaxed)} {
		_, err := q.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(names.Queue(c.Stage, name))})
		must(err)
	}
	tables := dynamodb.NewFromConfig(sdk)
	_, err := tables.CreateTable(ctx, keyedTable(c.StateTable, names.StateKey, names.StateSort))
	must(made(err))
	_, err = tables.CreateTable(ctx, keyedTable(c.RecordsTable, names.RecordKey, names.RecordSort))
	must(made(err))
	_, err = s3.NewFromConfig(sdk, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &c.Bucket})
	must(err)
	makeGroup(t, sdk, c)
}

// made is err, or nil if err says that the resource is there already. The names
// are of one test alone: an earlier attempt of the same call made the resource
// and its answer failed, as a busy test server's may, so that the SDK repeated it.
func made(err error) error {
	var inUse *types.ResourceInUseException
	var exists *asg.AlreadyExistsFault
	if errors.As(err, &inUse) || errors.As(err, &exists) {
		return nil
	}
	return err
}

func key0(name string, kind types.KeyType) types.KeySchemaElement {
	return types.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
}

func attributes(kinds map[string]types.ScalarAttributeType) []types.AttributeDefinition {
	var out []types.AttributeDefinition
	for name, kind := range kinds {
		out = append(out, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: kind})
	}
	return out
}

func keyedTable(name, hash, sort string) *dynamodb.CreateTableInput {
	const s = types.ScalarAttributeTypeS
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: attributes(map[string]types.ScalarAttributeType{hash: s, sort: s}),
		KeySchema:            []types.KeySchemaElement{key0(hash, types.KeyTypeHash), key0(sort, types.KeyTypeRange)},
	}
}

// makeGroup makes the group of the pool "contract", from 0 to 10 instances.
func makeGroup(t *testing.T, sdk aws.Config, c Config) {
	t.Helper()
	groups := autoscaling.NewFromConfig(sdk)
	name := aws.String(names.Group(c.Stage, "contract"))
	_, err := groups.CreateLaunchConfiguration(t.Context(), &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: name, ImageId: aws.String("ami-12c6146b"), InstanceType: aws.String("c5.large"),
	})
	if err := made(err); err != nil {
		t.Fatal(err)
	}
	_, err = groups.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: name, LaunchConfigurationName: name, MinSize: aws.Int32(0), MaxSize: aws.Int32(10),
		AvailabilityZones: []string{"us-east-1a"}, NewInstancesProtectedFromScaleIn: aws.Bool(true),
		Tags: []asg.Tag{{Key: aws.String("paragon"), Value: &c.Stage}},
	})
	if err := made(err); err != nil {
		t.Fatal(err)
	}
}

// limit sets a group's bounds, as an account's owner does.
func (g *ground) limit(ctx context.Context, stage, pool string, least, most int) error {
	_, err := autoscaling.NewFromConfig(g.sdk).UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(names.Group(stage, pool)), MinSize: aws.Int32(int32(least)), MaxSize: aws.Int32(int32(most)),
	})
	return err
}
