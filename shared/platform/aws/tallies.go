package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	talliesAttribute = "tallies"
	talliedAttribute = "tallied" // when they were reported, in Unix seconds
)

// tallyKey is the row of a worker's tallies. They have rows of their own: every
// write of a row is paid by the size of all of it, and reports are written far
// more often.
func tallyKey(pool, id string) item { return stateKey("tallies#"+pool, id) }

// putTallies stores what a worker has counted, if it says so.
func (f *fleet) putTallies(ctx context.Context, r platform.WorkerReport) error {
	if r.Tallies.IsZero() {
		return nil
	}
	r.Tallies.Owners = nil // they have rows of their own, which are written less often
	doc, err := document(r.Tallies)
	if err != nil {
		return err
	}
	_, _, err = f.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: tallyKey(r.Pool, r.ID), UpdateExpression: aws.String("SET #tallies = :tallies, #tallied = :now, #ttl = :ttl"),
		ExpressionAttributeNames: placeholders(talliesAttribute, talliedAttribute, names.StateTTL),
		ExpressionAttributeValues: item{
			":tallies": doc, ":now": number(f.now().Unix()), ":ttl": number(f.now().Add(platform.TalliesKept).Unix()),
		},
	})
	if err != nil {
		return fmt.Errorf("store the tallies of worker %s: %w", r.ID, err)
	}
	return nil
}

// Tallies implements platform.Fleet. They are cumulative, so that a read which is
// a moment late, at half the price, loses nothing. DynamoDB deletes rows late:
// those that are over are left out.
func (f *fleet) Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error) {
	rows, err := f.table.search(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("#pk = :pool"),
		ExpressionAttributeNames:  placeholders(names.StateKey),
		ExpressionAttributeValues: item{":pool": text("tallies#" + pool)},
	}, maxWorkers)
	if err != nil {
		return nil, fmt.Errorf("read the tallies of pool %s: %w", pool, err)
	}
	out := make(map[string]tally.Snapshot, len(rows))
	for _, row := range rows {
		id := textOf(row, names.StateSort)
		if f.now().Sub(time.Unix(numberOf(row, talliedAttribute), 0)) > platform.TalliesKept {
			continue
		}
		var s tally.Snapshot
		if err := read(row, talliesAttribute, &s); err != nil {
			return nil, fmt.Errorf("tallies of worker %s: %w", id, err)
		}
		out[id] = s
	}
	return out, nil
}
