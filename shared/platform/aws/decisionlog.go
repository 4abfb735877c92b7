package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// The attributes of the lease, of a memory and of a tick.
const (
	holderAttribute = "holder"
	tokenAttribute  = "token"
	untilAttribute  = "until" // Unix milliseconds
	bytesAttribute  = "bytes"
)

// mostEntries bounds a list of entries.
const mostEntries = 1000

// decisionLog is rows of the state table: the lease, a memory a pool, and a tick's
// entry twice, whole by its id and without its record by its pool, so that
// lists stay cheap. What moved the fleet is listed once more.
type decisionLog struct {
	table table
	now   func() time.Time
}

func leaseKey() item             { return stateKey("control", "lease") }
func memoryKey(pool string) item { return stateKey("memory", pool) }
func tickKey(id string) item     { return stateKey("record", id) }

func listOf(pool string, moves bool) string {
	if moves {
		return "moves#" + pool
	}
	return "ticks#" + pool
}

// AcquireLease implements platform.DecisionLog: it renews its own lease, or else takes one
// that has ended.
func (l *decisionLog) AcquireLease(ctx context.Context, holder string, length time.Duration) (platform.Lease, error) {
	attempt := "acquire the lease for " + holder
	if holder == "" || length <= 0 {
		return platform.Lease{}, fmt.Errorf("acquire the lease: holder %q is empty, or length %v is not above 0", holder, length)
	}
	until := l.now().Add(length)
	values := item{":holder": text(holder), ":until": number(until.UnixMilli()), ":now": number(l.now().UnixMilli())}
	row, held, err := l.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: leaseKey(), UpdateExpression: aws.String("SET #until = :until"),
		ConditionExpression:      aws.String("#holder = :holder AND #until > :now"),
		ExpressionAttributeNames: placeholders(holderAttribute, untilAttribute), ExpressionAttributeValues: values,
	})
	if err == nil && !held {
		values[":one"] = number(1)
		row, held, err = l.table.update(ctx, &dynamodb.UpdateItemInput{
			Key: leaseKey(), UpdateExpression: aws.String("SET #until = :until, #holder = :holder ADD #token :one"),
			ConditionExpression:      aws.String("attribute_not_exists(#until) OR #until <= :now"),
			ExpressionAttributeNames: placeholders(holderAttribute, untilAttribute, tokenAttribute), ExpressionAttributeValues: values,
		})
	}
	if err == nil && !held {
		err = platform.ErrLeaseLost
	}
	if err != nil {
		return platform.Lease{}, fmt.Errorf("%s: %w", attempt, err)
	}
	return platform.Lease{Holder: holder, Token: numberOf(row, tokenAttribute), Until: until.UTC()}, nil
}

// ReleaseLease implements platform.DecisionLog.
func (l *decisionLog) ReleaseLease(ctx context.Context, lease platform.Lease) error {
	_, _, err := l.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: leaseKey(), UpdateExpression: aws.String("SET #until = :none"),
		ConditionExpression:       aws.String("#holder = :holder AND #token = :token"),
		ExpressionAttributeNames:  placeholders(holderAttribute, untilAttribute, tokenAttribute),
		ExpressionAttributeValues: item{":holder": text(lease.Holder), ":token": number(lease.Token), ":none": number(0)},
	})
	if err != nil {
		return fmt.Errorf("release the lease of %s: %w", lease.Holder, err)
	}
	return nil
}

// Memory implements platform.DecisionLog.
func (l *decisionLog) Memory(ctx context.Context, pool string) ([]byte, error) {
	row, err := l.table.get(ctx, memoryKey(pool))
	if err == nil && row == nil {
		err = platform.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the memory of pool %s: %w", pool, err)
	}
	return bytesOf(row), nil
}

// binary is a bytes attribute, which may be empty but not null, and bytesOf reads it.
func binary(b []byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: append([]byte{}, b...)}
}

func bytesOf(row item) []byte {
	if b, ok := row[bytesAttribute].(*types.AttributeValueMemberB); ok {
		return b.Value
	}
	return nil
}

// Commit implements platform.DecisionLog: one transaction, on condition of the lease.
func (l *decisionLog) Commit(ctx context.Context, lease platform.Lease, memory []byte, e platform.Entry) error {
	attempt := "commit tick " + e.ID
	rows, err := tickRows(e)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	kept := memoryKey(e.Pool)
	kept[bytesAttribute] = binary(memory)
	_, err = l.table.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: append(l.puts(append(rows, kept)), types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &l.table.name, Key: leaseKey(),
			ConditionExpression:      aws.String("#holder = :holder AND #token = :token AND #until > :now"),
			ExpressionAttributeNames: placeholders(holderAttribute, tokenAttribute, untilAttribute),
			ExpressionAttributeValues: item{
				":holder": text(lease.Holder), ":token": number(lease.Token), ":now": number(l.now().UnixMilli()),
			},
		}}),
	})
	if canceled := new(types.TransactionCanceledException); errors.As(err, &canceled) {
		if reason(canceled, len(canceled.CancellationReasons)-1) == "ConditionalCheckFailed" {
			return fmt.Errorf("%s: %w", attempt, platform.ErrLeaseLost)
		}
		return fmt.Errorf("%s: %w: %w", attempt, platform.ErrUnavailable, err)
	}
	return failed(attempt, err)
}

func (l *decisionLog) puts(rows []item) []types.TransactWriteItem {
	var out []types.TransactWriteItem
	for _, row := range rows {
		out = append(out, types.TransactWriteItem{Put: &types.Put{TableName: &l.table.name, Item: row}})
	}
	return out
}

// tickRows makes the rows of an entry.
func tickRows(e platform.Entry) ([]item, error) {
	record := e.Record
	e.Record = nil
	doc, err := document(e)
	if err != nil {
		return nil, err
	}
	whole := tickKey(e.ID)
	whole[bytesAttribute] = binary(record)
	rows := []item{whole, stateKey(listOf(e.Pool, false), e.ID)}
	if e.Moves {
		rows = append(rows, stateKey(listOf(e.Pool, true), e.ID))
	}
	for _, row := range rows {
		row[documentAttribute] = doc
		if !e.ForgetAt.IsZero() {
			row[names.StateTTL] = number(e.ForgetAt.Unix())
		}
	}
	return rows, nil
}

// Entry implements platform.DecisionLog.
func (l *decisionLog) Entry(ctx context.Context, id string) (platform.Entry, error) {
	var e platform.Entry
	if id == "" {
		return e, fmt.Errorf("read tick %q: %w", id, platform.ErrNotFound)
	}
	row, err := l.table.get(ctx, tickKey(id))
	if err == nil {
		err = read(row, documentAttribute, &e)
	}
	if err == nil && (row == nil || l.forgotten(e)) {
		err = platform.ErrNotFound
	}
	if err != nil {
		return platform.Entry{}, fmt.Errorf("read tick %q: %w", id, err)
	}
	e.Record = bytesOf(row)
	return e, nil
}

// forgotten reports whether an entry's time is over; the table deletes it later.
func (l *decisionLog) forgotten(e platform.Entry) bool {
	return !e.ForgetAt.IsZero() && !l.now().Before(e.ForgetAt)
}

// Entries implements platform.DecisionLog.
func (l *decisionLog) Entries(ctx context.Context, q platform.EntryQuery) ([]platform.Entry, error) {
	if q.Limit < 1 || q.Limit > mostEntries {
		return nil, fmt.Errorf("list ticks: limit %d is outside 1 to %d", q.Limit, mostEntries)
	}
	in := &dynamodb.QueryInput{
		ScanIndexForward: aws.Bool(false), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :list"), ExpressionAttributeValues: item{":list": text(listOf(q.Pool, q.Moves))},
	}
	if q.Before != "" {
		in.KeyConditionExpression = aws.String("pk = :list AND sk < :before")
		in.ExpressionAttributeValues[":before"] = text(q.Before)
	}
	rows, err := l.table.search(ctx, in, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("list the ticks of pool %s: %w", q.Pool, err)
	}
	var out []platform.Entry
	for _, row := range rows {
		var e platform.Entry
		if err := read(row, documentAttribute, &e); err != nil {
			return nil, fmt.Errorf("list the ticks of pool %s: %w", q.Pool, err)
		}
		if !l.forgotten(e) {
			out = append(out, e)
		}
	}
	return out, nil
}
