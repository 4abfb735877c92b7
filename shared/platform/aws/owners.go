package aws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// maxProcesses bounds the rows read of one hour.
const maxProcesses = 100_000

// owners keeps what processes count by owner: a row of the stage's state for each
// process and hour, which that process alone writes, whole each time.
type owners struct {
	table table
	mu    sync.Mutex                   // guards what follows
	hours map[string]*tally.OwnerHours // of the processes that report by this backend, which is one in an account
}

// ownersKey is the row of a process's hour. A process that starts again under the same
// name has a row of its own.
func ownersKey(hour time.Time, process string) item {
	return stateKey("owners#"+hour.UTC().Format(time.RFC3339), process)
}

// put counts a report's queries by owner, and stores them when that is due.
func (o *owners) put(ctx context.Context, r platform.WorkerReport) error {
	if r.Tallies.IsZero() {
		return nil
	}
	process := fmt.Sprintf("%s#%s#%d", r.Pool, r.ID, r.Tallies.Since.UnixMilli())
	err := o.of(process).Add(r.Tallies, r.State == platform.Gone, func(h tally.OwnerHour) error { return o.store(ctx, process, h) })
	if err != nil {
		return fmt.Errorf("store the usage by owner of %s: %w", r.ID, err)
	}
	return nil
}

// of returns the counts of a process.
func (o *owners) of(process string) *tally.OwnerHours {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hours == nil {
		o.hours = map[string]*tally.OwnerHours{}
	}
	if o.hours[process] == nil {
		o.hours[process] = new(tally.OwnerHours)
	}
	return o.hours[process]
}

func (o *owners) store(ctx context.Context, process string, h tally.OwnerHour) error {
	doc, err := document(h.Owners)
	if err != nil {
		return err
	}
	_, _, err = o.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: ownersKey(h.At, process), UpdateExpression: aws.String("SET #doc = :doc, #ttl = :ttl"),
		ExpressionAttributeNames:  placeholders(documentAttribute, names.StateTTL),
		ExpressionAttributeValues: item{":doc": doc, ":ttl": number(h.At.Add(timeline.Kept + time.Hour).Unix())},
	})
	return err
}

// Usage implements platform.Owners.
func (o *owners) Usage(ctx context.Context, from, to time.Time) ([]tally.OwnerTally, error) {
	var all []tally.OwnerTally
	for hour := from.Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
		key := ownersKey(hour, "")
		rows, err := o.table.search(ctx, &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String("#pk = :hour"),
			ExpressionAttributeNames:  placeholders(names.StateKey),
			ExpressionAttributeValues: item{":hour": key[names.StateKey]},
		}, maxProcesses)
		if err != nil {
			return nil, fmt.Errorf("read the usage by owner of %s: %w", hour.UTC().Format(time.RFC3339), err)
		}
		for _, row := range rows {
			var ts []tally.OwnerTally
			if err := read(row, documentAttribute, &ts); err != nil {
				return nil, fmt.Errorf("usage by owner of %s: %w", textOf(row, names.StateSort), err)
			}
			all = append(all, ts...)
		}
		all = tally.TopOwners(all, mostOwners) // of thousands of processes the same
	}
	return all, nil
}

// mostOwners bounds the owners and tasks of a usage.
const mostOwners = 10_000
