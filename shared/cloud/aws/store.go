package aws

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"paragon/shared/cloud"
	"paragon/shared/cloud/aws/names"
	"paragon/shared/core/query"
)

// The attributes of a query that no index knows.
const (
	stateAttribute   = "state"
	recordAttribute  = "record"  // as it was accepted
	outcomeAttribute = "outcome" // once it is terminal
	resentAttribute  = "resent"  // when its message was last sent again, in Unix milliseconds
)

const (
	// shards spread the queries that are unfinished, and those of a day, over
	// partitions of their index, each good for 1,000 writes a second.
	shards = 8
	// resendEvery bounds how often repeats send a query's message again.
	resendEvery = 5 * time.Second
	// resendDelay lets the first message be answered before its double is seen.
	resendDelay = 2 * time.Second
	firstPause  = 20 * time.Millisecond // between looks of a wait, growing
	lastPause   = 250 * time.Millisecond
	lastLook    = 2 * time.Second // what the last look of a wait may take
)

// store keeps queries in one table, an item each, written twice: on acceptance
// and at the end. The input is never part of it.
type store struct {
	table   table
	queues  *queues
	metrics cloud.Metrics
	now     func() time.Time
	log     *slog.Logger
}

func queryKey(id string) item { return item{names.QueryKey: text(id)} }

// shard returns which shard a query is in.
func shard(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return strconv.Itoa(int(h.Sum32() % shards))
}

func dayShard(at time.Time, shard string) string { return at.UTC().Format(time.DateOnly) + "#" + shard }

// accepted makes the item of a query.
func accepted(r query.Record) (item, error) {
	doc, err := document(r)
	if err != nil {
		return nil, err
	}
	row := item{
		names.QueryKey: text(r.ID), stateAttribute: text(string(r.State)), recordAttribute: doc,
		names.DayKey: text(dayShard(r.AcceptedAt, shard(r.ID))), names.RecentSort: number(r.AcceptedAt.UnixMicro()),
	}
	if r.Owner != "" {
		row[names.OwnerKey] = text(r.Owner)
	}
	if !r.ForgetAt.IsZero() {
		row[names.QueryTTL] = number(r.ForgetAt.Unix())
	}
	if !r.State.Terminal() {
		row[names.OpenKey], row[names.OpenSort] = text(shard(r.ID)), number(millis(r.ExpiresAt))
	}
	return row, nil
}

// recordOf reads the query of an item.
func recordOf(row item) (query.Record, error) {
	var r query.Record
	if err := read(row, recordAttribute, &r); err != nil {
		return r, err
	}
	if textOf(row, outcomeAttribute) == "" {
		return r, nil
	}
	var o query.Outcome
	if err := read(row, outcomeAttribute, &o); err != nil {
		return r, err
	}
	return r.Finish(o)
}

// forgotten tells whether a query is to be taken as deleted: the table deletes
// it by its time-to-live, up to days late.
func (s *store) forgotten(r query.Record) bool {
	return !r.ForgetAt.IsZero() && !s.now().Before(r.ForgetAt)
}

// Accept implements cloud.Store: a conditional put, then a send. The repeat of
// an unfinished query sends its message again.
func (s *store) Accept(ctx context.Context, r query.Record, to cloud.QueueName, m query.Message) (query.Record, bool, error) {
	attempt := "accept query " + r.ID
	row, err := accepted(r)
	if err != nil {
		return r, false, fmt.Errorf("%s: %w", attempt, err)
	}
	_, err = s.table.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table.name, Item: row,
		ConditionExpression:                 aws.String("attribute_not_exists(#id) OR #forget <= :now"),
		ExpressionAttributeNames:            placeholders(names.QueryKey, names.QueryTTL),
		ExpressionAttributeValues:           item{":now": number(s.now().Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) {
		old, err := s.repeat(ctx, refused.Item, r, to, m)
		return old, false, err
	}
	if err != nil {
		return r, false, failed(attempt, err)
	}
	if err := s.queues.Send(ctx, to, m); err != nil {
		return r, false, fmt.Errorf("%s: %w", attempt, err)
	}
	return r, true, nil
}

// repeat returns the query that was there before. Its first caller may have
// died before the message was sent, so it is sent again, once in a while and a
// little late: the double of a message that was sent finds its query finished.
// A repeat with another body sends nothing.
func (s *store) repeat(ctx context.Context, row item, r query.Record, to cloud.QueueName, m query.Message) (query.Record, error) {
	old, err := recordOf(row)
	if err != nil {
		return old, fmt.Errorf("accept query %s: %w", r.ID, err)
	}
	if old.State.Terminal() || old.BodyHash != r.BodyHash || old.Owner != r.Owner {
		return old, nil
	}
	mine, err := s.claimResend(ctx, r.ID)
	if err != nil || !mine {
		return old, err
	}
	m.AcceptedAt, m.DeadlineAt, m.ExpiresAt = old.AcceptedAt, old.DeadlineAt, old.ExpiresAt
	m.Model, m.Class, m.Trail = old.Model, old.Class, old.Trail
	if err := s.queues.send(ctx, to, resendDelay, m); err != nil {
		return old, fmt.Errorf("accept query %s again: %w", r.ID, err)
	}
	return old, nil
}

// claimResend tells whether this repeat is the one that sends.
func (s *store) claimResend(ctx context.Context, id string) (bool, error) {
	now := s.now()
	_, mine, err := s.table.update(ctx, &dynamodb.UpdateItemInput{
		Key:                      queryKey(id),
		UpdateExpression:         aws.String("SET #resent = :now"),
		ConditionExpression:      aws.String("attribute_exists(#open) AND (attribute_not_exists(#resent) OR #resent < :before)"),
		ExpressionAttributeNames: placeholders(resentAttribute, names.OpenKey),
		ExpressionAttributeValues: item{
			":now": number(now.UnixMilli()), ":before": number(now.Add(-resendEvery).UnixMilli()),
		},
	})
	return mine, err
}

// Get implements cloud.Store, as of now.
func (s *store) Get(ctx context.Context, id string) (query.Record, error) {
	row, err := s.table.get(ctx, queryKey(id))
	if err != nil {
		return query.Record{}, fmt.Errorf("get query %s: %w", id, err)
	}
	return s.there(id, row)
}

// there reads a query that must be there.
func (s *store) there(id string, row item) (query.Record, error) {
	r, err := recordOf(row)
	if err == nil && (row == nil || s.forgotten(r)) {
		err = cloud.ErrNotFound
	}
	if err != nil {
		return query.Record{}, fmt.Errorf("get query %s: %w", id, err)
	}
	return r, nil
}

// States implements cloud.Store, as of now, with a call for every 100 ids.
func (s *store) States(ctx context.Context, ids ...string) (map[string]query.State, error) {
	rows, err := s.table.batch(ctx, keysOf(ids), names.QueryKey, stateAttribute, names.QueryTTL)
	if err != nil {
		return nil, fmt.Errorf("get the states of %d queries: %w", len(ids), err)
	}
	out := make(map[string]query.State, len(rows))
	for _, row := range rows {
		if end := numberOf(row, names.QueryTTL); end == 0 || end > s.now().Unix() {
			out[textOf(row, names.QueryKey)] = query.State(textOf(row, stateAttribute))
		}
	}
	return out, nil
}

// keysOf makes keys of ids; a batch takes none twice.
func keysOf(ids []string) []item {
	seen := map[string]bool{}
	var keys []item
	for _, id := range ids {
		if !seen[id] && id != "" {
			keys = append(keys, queryKey(id))
		}
		seen[id] = true
	}
	return keys
}

// Finish implements cloud.Store: one conditional write. A late one is counted
// in the metric cloud.LateWrites.
func (s *store) Finish(ctx context.Context, id string, o query.Outcome) (query.Record, bool, error) {
	attempt := "finish query " + id
	if !o.State.Terminal() {
		return query.Record{}, false, fmt.Errorf("%s: state %q is not terminal", attempt, o.State)
	}
	doc, err := document(o)
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	row, won, err := s.table.update(ctx, &dynamodb.UpdateItemInput{
		Key:                       queryKey(id),
		UpdateExpression:          aws.String("SET #state = :state, #outcome = :outcome REMOVE #open, #expires"),
		ConditionExpression:       aws.String("attribute_exists(#open) AND (attribute_not_exists(#forget) OR #forget > :now)"),
		ExpressionAttributeNames:  placeholders(stateAttribute, outcomeAttribute, names.OpenKey, names.OpenSort, names.QueryTTL),
		ExpressionAttributeValues: item{":state": text(string(o.State)), ":outcome": doc, ":now": number(s.now().Unix())},
	})
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	r, err := s.there(id, row)
	if err == nil && !won {
		s.countLate(ctx)
	}
	return r, won && err == nil, err
}

// countLate counts a late write. That it could not be counted changes nothing
// of the query.
func (s *store) countLate(ctx context.Context) {
	if err := s.metrics.Put(ctx, cloud.Point{Metric: cloud.LateWrites, At: s.now(), Value: 1}); err != nil {
		s.log.Warn("a late write was not counted", "error", err)
	}
}

// Wait implements cloud.Store. It looks again and again, at longer and longer
// intervals up to a quarter of a second.
func (s *store) Wait(ctx context.Context, id string) (query.Record, error) {
	r, err := s.Get(ctx, id)
	for pause := firstPause; err == nil && !r.State.Terminal(); pause = min(pause*3/2, lastPause) {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
			defer cancel()
			return s.Get(last, id) // it may have ended just now
		case <-time.After(pause):
			var next query.Record
			if next, err = s.Get(ctx, id); err == nil {
				r = next
			} else if ctx.Err() != nil || transient(err) {
				err = nil // the next look may tell
			}
		}
	}
	return r, err
}

func transient(err error) bool {
	return errors.Is(err, cloud.ErrThrottled) || errors.Is(err, cloud.ErrUnavailable)
}
