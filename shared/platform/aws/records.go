package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// The attributes of a record besides its key. Other rows have a state too.
const (
	stateAttribute  = "state"
	recordAttribute = "record" // JSON
)

// Waiting for a record: it is read after growing pauses, so that a quick answer
// is seen quickly and a slow one costs four reads a second.
const (
	firstReadPause = 20 * time.Millisecond
	lastReadPause  = 250 * time.Millisecond
	lastReadTime   = 2 * time.Second // for the last read, when the wait has ended
)

// records keeps how queries ended in a table of its own, an item each, written
// once. The table has no secondary index, as an entry there would be a second
// write: the key of an item is made from its id alone, and lists are queries by
// key. Stored records lie under their owner's hash, spread over shards, as one
// partition takes 1,000 writes a second. Kept samples of direct answers lie
// under the hour of their acceptance, all owners together: at a keep_share of
// 0.01 one partition holds those of 100,000 queries a second.
type records struct {
	table     table
	callbacks *callbacks
	metrics   platform.Metrics
	now       func() time.Time
	log       *slog.Logger
}

// recordKey is where the record of an id lies.
func recordKey(text string, id signed.ID) item {
	partition := stored(id.Owner, signed.Shard(text))
	if id.Kind == signed.Direct {
		partition = samples(id.AcceptedAt)
	}
	return recordsItem(partition, text)
}

// recordsItem is a key of the table.
func recordsItem(partition, sort string) item {
	return item{names.RecordKey: text(partition), names.RecordSort: text(sort)}
}

func stored(owner signed.OwnerHash, shard int) string {
	return owner.String() + "#" + strconv.Itoa(shard)
}

func samples(acceptedAt time.Time) string {
	return "sample#" + acceptedAt.UTC().Format("2006-01-02T15")
}

// forgetSecond is when a row is forgotten, in Unix seconds, never early. The
// table deletes it by this attribute, up to days later.
func forgetSecond(at time.Time) int64 {
	return at.Add(time.Second - time.Nanosecond).Unix()
}

// live reports whether a row is there and not forgotten.
func live(row item, now time.Time) bool {
	end := numberOf(row, names.RecordTTL)
	return len(row) > 0 && (end == 0 || end > now.Unix())
}

// putAbsent stores a row unless its key holds one that is not forgotten, which
// it returns then.
func (t table) putAbsent(ctx context.Context, row item, now time.Time) (held item, stored bool, err error) {
	return t.put(ctx, &dynamodb.PutItemInput{
		Item:                      row,
		ConditionExpression:       aws.String("attribute_not_exists(#" + names.RecordKey + ") OR #" + names.RecordTTL + " <= :now"),
		ExpressionAttributeNames:  placeholders(names.RecordKey, names.RecordTTL),
		ExpressionAttributeValues: item{":now": number(now.Unix())},
	})
}

// PutRecord implements platform.Records: one conditional write, which answers with
// the record that is in the way.
func (r *records) PutRecord(ctx context.Context, rec query.Record) (held query.Record, won bool, err error) {
	attempt := "put the record of query " + rec.ID
	id, err := platform.CheckRecord(rec)
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	doc, err := packed(rec)
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	row := recordKey(rec.ID, id)
	row[stateAttribute], row[recordAttribute] = text(string(rec.State)), doc
	if !rec.ForgetAt.IsZero() {
		row[names.RecordTTL] = number(forgetSecond(rec.ForgetAt))
	}
	old, put, err := r.table.putAbsent(ctx, row, r.now())
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	if put || same(old, row, recordAttribute) {
		r.callDue(ctx, rec)
		return rec, true, nil // a repeat, such as the SDK's, meets its own record
	}
	if err := read(old, recordAttribute, &held); err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	r.countLate(ctx)
	return held, false, nil
}

// callDue has the callback of a query be made that has just ended, if it has one.
func (r *records) callDue(ctx context.Context, rec query.Record) {
	if rec.Callback == "" {
		return
	}
	if err := r.callbacks.ended(ctx, rec); err != nil {
		r.log.Warn("a callback is not made at once, but by its first message", "query", rec.ID, "error", err)
	}
}

// countLate counts a record that lost. That it could not be counted changes
// nothing of the query.
func (r *records) countLate(ctx context.Context) {
	if err := r.metrics.Put(ctx, platform.Point{Metric: platform.LateWrites, At: r.now(), Value: 1}); err != nil {
		r.log.Warn("a late write was not counted", "error", err)
	}
}

// GetRecord implements platform.Records.
func (r *records) GetRecord(ctx context.Context, id string) (query.Record, error) {
	rec, err := r.record(ctx, id)
	if err != nil {
		return query.Record{}, fmt.Errorf("get the record of query %s: %w", id, err)
	}
	return rec, nil
}

func (r *records) record(ctx context.Context, id string) (rec query.Record, err error) {
	where, err := signed.PeekID(id)
	if err != nil {
		return rec, platform.ErrNotFound
	}
	row, err := r.table.get(ctx, recordKey(id, where))
	if err != nil {
		return rec, err
	}
	if !live(row, r.now()) {
		return rec, platform.ErrNotFound
	}
	return rec, read(row, recordAttribute, &rec)
}

// AwaitRecord implements platform.Records by reading again and again. A wait of
// one second takes 10 reads, and each further second 4.
func (r *records) AwaitRecord(ctx context.Context, id string) (query.Record, error) {
	if _, err := signed.PeekID(id); err != nil {
		return r.GetRecord(ctx, id) // nothing to wait for
	}
	for pause := firstReadPause; ctx.Err() == nil; pause = min(pause*3/2, lastReadPause) {
		rec, err := r.GetRecord(ctx, id)
		if err == nil || ctx.Err() == nil && !errors.Is(err, platform.ErrNotFound) && !transient(err) {
			return rec, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReadTime)
	defer cancel()
	return r.GetRecord(last, id) // it may have been put just now
}

// EndStates implements platform.Records, with a call for every 100 ids.
func (r *records) EndStates(ctx context.Context, ids ...string) (map[string]query.State, error) {
	asked := map[string]bool{} // a batch takes none twice
	var keys []item
	for _, id := range ids {
		if where, err := signed.PeekID(id); err == nil && !asked[id] {
			asked[id] = true
			keys = append(keys, recordKey(id, where))
		}
	}
	rows, err := r.table.batch(ctx, keys, names.RecordSort, stateAttribute, names.RecordTTL)
	if err != nil {
		return nil, fmt.Errorf("get the end states of %d queries: %w", len(ids), err)
	}
	out := make(map[string]query.State, len(rows))
	for _, row := range rows {
		if live(row, r.now()) {
			out[textOf(row, names.RecordSort)] = query.State(textOf(row, stateAttribute))
		}
	}
	return out, nil
}

// put stores one row, when its condition holds. Otherwise stored is false, and
// the row in the way is returned; nil when none was there.
func (t table) put(ctx context.Context, in *dynamodb.PutItemInput) (held item, stored bool, err error) {
	in.TableName = &t.name
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err = t.client.PutItem(ctx, in)
	if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) {
		return refused.Item, false, nil
	}
	if err != nil {
		return nil, false, failed("write table "+t.name, err)
	}
	return nil, true, nil
}
