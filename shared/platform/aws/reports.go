package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// ifNotGone is the condition of every write to a worker's row but the last.
var ifNotGone = aws.String("attribute_not_exists(#state) OR #state <> :gone")

// until is when a worker's row may be deleted.
func (f *fleet) until() types.AttributeValue { return number(f.now().Add(keepWorkers).Unix()) }

// Report implements platform.Fleet: one write, one more with tallies, and one each
// quarter of an hour with what was counted by owner. A worker that reports itself gone is
// gone for good, like one that was declared dead.
func (f *fleet) Report(ctx context.Context, r platform.WorkerReport) (platform.Orders, error) {
	orders, err := f.report(ctx, r)
	if err != nil {
		return orders, err
	}
	return orders, f.owners.put(ctx, r)
}

func (f *fleet) report(ctx context.Context, r platform.WorkerReport) (platform.Orders, error) {
	attempt := "report of worker " + r.ID
	if err := f.putTallies(ctx, r); err != nil {
		return platform.Orders{}, fmt.Errorf("%s: %w", attempt, err)
	}
	if r.Pool == platform.FunctionsPool {
		return platform.Orders{}, nil
	}
	r.Tallies = tally.Snapshot{}
	doc, err := document(r)
	if err != nil {
		return platform.Orders{}, fmt.Errorf("%s: %w", attempt, err)
	}
	row, held, err := f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: workerKey(r.Pool, r.ID), ConditionExpression: ifNotGone,
		UpdateExpression:         aws.String("SET #report = :report, #state = :state, #ttl = :ttl, #launched = if_not_exists(#launched, :now)"),
		ExpressionAttributeNames: placeholders(stateAttribute, reportAttribute, launchedAttribute, names.StateTTL),
		ExpressionAttributeValues: item{
			":report": doc, ":state": text(string(r.State)), ":ttl": f.until(), ":now": number(f.now().UnixMicro()), ":gone": text(string(platform.Gone)),
		},
	})
	if err == nil && !held {
		err = platform.ErrRevoked
	}
	if err != nil {
		return platform.Orders{}, fmt.Errorf("%s: %w", attempt, err)
	}
	return platform.Orders{Drain: marked(row)}, nil
}

// marked reports whether a worker is to leave.
func marked(row item) bool {
	drain, _ := row[drainAttribute].(*types.AttributeValueMemberBOOL)
	return drain != nil && drain.Value
}

// PublishView implements platform.Fleet.
func (f *fleet) PublishView(ctx context.Context, v platform.FleetView) error {
	doc, err := document(v)
	if err != nil {
		return fmt.Errorf("publish the fleet view: %w", err)
	}
	row := stateKey("view", "view")
	row[documentAttribute] = doc
	_, err = f.table.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &f.table.name, Item: row})
	return failed("publish the fleet view", err)
}

// View implements platform.Fleet.
func (f *fleet) View(ctx context.Context) (platform.FleetView, error) {
	var v platform.FleetView
	row, err := f.table.recent(ctx, stateKey("view", "view"))
	if err == nil && row == nil {
		err = platform.ErrNotFound
	}
	if err == nil {
		err = read(row, documentAttribute, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read the fleet view: %w", err)
	}
	return v, nil
}
