package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"paragon/shared/cloud/aws/names"
	"paragon/shared/core/query"
)

// daysBack is how many days before today Recent looks at, without an owner.
const daysBack = 2

// Expired implements cloud.Store: a cheap search of the sparse index of
// unfinished queries, shard by shard, then a read of those that were found.
// The index follows the table within a second or so.
func (s *store) Expired(ctx context.Context, now time.Time, limit int) ([]query.Record, error) {
	var found []item
	for k := range shards {
		rows, err := s.table.search(ctx, &dynamodb.QueryInput{
			IndexName:                 aws.String(names.OpenIndex),
			KeyConditionExpression:    aws.String("#open = :shard AND #expires < :now"),
			ExpressionAttributeNames:  placeholders(names.OpenKey, names.OpenSort),
			ExpressionAttributeValues: item{":shard": text(strconv.Itoa(k)), ":now": number(now.UnixMilli())},
		}, limit)
		if err != nil {
			return nil, fmt.Errorf("list expired queries: %w", err)
		}
		found = append(found, rows...)
	}
	slices.SortStableFunc(found, func(a, b item) int {
		return cmp.Compare(numberOf(a, names.OpenSort), numberOf(b, names.OpenSort))
	})
	open := func(r query.Record) bool { return !r.State.Terminal() && r.ExpiresAt.Before(now) }
	return s.records(ctx, found, limit, open)
}

// Recent implements cloud.Store. Without an owner it looks at today and the
// two days before: as long as queries are kept.
func (s *store) Recent(ctx context.Context, owner string, limit int) ([]query.Record, error) {
	kept := func(r query.Record) bool { return !s.forgotten(r) }
	if owner != "" {
		rows, err := s.newest(ctx, names.OwnerIndex, names.OwnerKey, owner, limit)
		if err != nil {
			return nil, fmt.Errorf("list the queries of an owner: %w", err)
		}
		return s.records(ctx, rows, limit, kept)
	}
	var found []item
	for day := 0; day <= daysBack && len(found) < limit; day++ {
		var rows []item
		for k := range shards {
			at := dayShard(s.now().AddDate(0, 0, -day), strconv.Itoa(k))
			of, err := s.newest(ctx, names.DayIndex, names.DayKey, at, limit)
			if err != nil {
				return nil, fmt.Errorf("list recent queries: %w", err)
			}
			rows = append(rows, of...)
		}
		slices.SortStableFunc(rows, func(a, b item) int {
			return cmp.Compare(numberOf(b, names.RecentSort), numberOf(a, names.RecentSort))
		})
		found = append(found, rows...)
	}
	return s.records(ctx, found, limit, kept)
}

// newest returns the newest keys of an index, newest first.
func (s *store) newest(ctx context.Context, index, key, value string, limit int) ([]item, error) {
	return s.table.search(ctx, &dynamodb.QueryInput{
		IndexName: &index, ScanIndexForward: aws.Bool(false),
		KeyConditionExpression:    aws.String("#" + key + " = :value"),
		ExpressionAttributeNames:  placeholders(key),
		ExpressionAttributeValues: item{":value": text(value)},
	}, limit)
}

// records reads the first queries of a list of keys, in its order, less those
// that are not wanted after all.
func (s *store) records(ctx context.Context, found []item, limit int, want func(query.Record) bool) ([]query.Record, error) {
	found = found[:min(limit, len(found))]
	ids := make([]string, len(found))
	for i, row := range found {
		ids[i] = textOf(row, names.QueryKey)
	}
	rows, err := s.table.batch(ctx, keysOf(ids))
	if err != nil {
		return nil, fmt.Errorf("read %d queries: %w", len(ids), err)
	}
	byID := map[string]item{}
	for _, row := range rows {
		byID[textOf(row, names.QueryKey)] = row
	}
	var out []query.Record
	for _, id := range ids {
		row := byID[id]
		if row == nil {
			continue
		}
		r, err := recordOf(row)
		if err != nil {
			return nil, fmt.Errorf("read query %s: %w", id, err)
		}
		if want(r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// Forget implements cloud.Store. The table forgets by itself, by its
// time-to-live, at no cost: there is nothing to do, and nothing to count.
func (s *store) Forget(context.Context, time.Time) (int, error) { return 0, nil }
