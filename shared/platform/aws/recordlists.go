package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	// queriesAtOnce bounds how many shards a list reads at the same time.
	queriesAtOnce = 8
	// maxPage bounds the rows of one call.
	maxPage = 1000
	// maxSampleHours bounds how far back samples are searched: longer than
	// any of them may be kept.
	maxSampleHours = 8 * 24
	// clockSkew is how far another machine's clock may be ahead.
	clockSkew = time.Minute
)

// ListRecords implements platform.Records: each shard gives its newest, and the
// newest of all of these are the answer.
func (r *records) ListRecords(ctx context.Context, owner string, limit int) ([]query.Record, error) {
	hash := signed.HashOwner(owner)
	var found [signed.Shards][]item
	var errs [signed.Shards]error
	slots := make(chan struct{}, queriesAtOnce)
	var all sync.WaitGroup
	for shard := range signed.Shards {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[shard], errs[shard] = r.newest(ctx, stored(hash, shard), "", limit)
		})
	}
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("list the records of an owner: %w", err)
	}
	rows := slices.Concat(found[:]...)
	slices.SortFunc(rows, func(a, b item) int { // ids sort by acceptance
		return cmp.Compare(textOf(b, names.RecordSort), textOf(a, names.RecordSort))
	})
	return recordsOf(rows[:min(len(rows), max(0, limit))])
}

// SampleRecords implements platform.Records, hour by hour back from now.
func (r *records) SampleRecords(ctx context.Context, since time.Time, limit int) ([]query.Record, error) {
	newest := r.now().Add(clockSkew)
	if oldest := newest.Add(-maxSampleHours * time.Hour); since.Before(oldest) {
		since = oldest
	}
	var rows []item
	for hour := newest.UTC().Truncate(time.Hour); hour.Add(time.Hour).After(since) && len(rows) < limit; hour = hour.Add(-time.Hour) {
		of, err := r.newest(ctx, samples(hour), signed.LowestID(since), limit-len(rows))
		if err != nil {
			return nil, fmt.Errorf("list the kept samples: %w", err)
		}
		rows = append(rows, of...)
	}
	return recordsOf(rows)
}

// newest returns the newest rows of a partition that are not forgotten, newest
// first, none before the id given. Rows are forgotten about in the order of
// their ids, so a page of nothing but forgotten ones is the last that is read.
func (r *records) newest(ctx context.Context, partition, lowest string, limit int) (rows []item, err error) {
	in := &dynamodb.QueryInput{
		TableName: &r.table.name, ScanIndexForward: aws.Bool(false), ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(min(limit, maxPage))),
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeNames:  map[string]string{"#pk": names.RecordKey},
		ExpressionAttributeValues: item{":pk": text(partition)},
	}
	if lowest != "" {
		in.KeyConditionExpression = aws.String("#pk = :pk AND #sk >= :lowest")
		in.ExpressionAttributeNames["#sk"], in.ExpressionAttributeValues[":lowest"] = names.RecordSort, text(lowest)
	}
	for len(rows) < limit {
		out, err := r.table.client.Query(ctx, in)
		if err != nil {
			return nil, failed("search table "+r.table.name, err)
		}
		before := len(rows)
		for _, row := range out.Items {
			if live(row, r.now()) && len(rows) < limit {
				rows = append(rows, row)
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 || len(rows) == before {
			break
		}
	}
	return rows, nil
}

func recordsOf(rows []item) ([]query.Record, error) {
	out := make([]query.Record, len(rows))
	for i, row := range rows {
		if err := read(row, recordAttribute, &out[i]); err != nil {
			return nil, fmt.Errorf("read the record of query %s: %w", textOf(row, names.RecordSort), err)
		}
	}
	return out, nil
}
