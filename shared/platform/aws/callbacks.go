package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// The attributes of a record's row that say what became of its callback. A row without
// them has none, or one that nobody has tried.
const (
	callbackClaim = "callback_until" // N: Unix milliseconds until which somebody makes it
	callbackTries = "callback_tries" // N: of the latest message; those of fewer are over
	callbackOver  = "callback_over"  // N: 1 once it has arrived or is given up
)

// longestDelay is SQS's bound on how late a message comes.
const longestDelay = 15 * time.Minute

// callbacks keeps the messages of callbacks in a queue of their own, and on the row of a
// query's record what became of its callback. A message that is put off is sent anew with
// a delay, so that none is in flight for hours, of which a queue takes 120,000.
type callbacks struct {
	queues *queues
	table  table // of records
	now    func() time.Time
}

// SendCallback implements platform.Callbacks.
func (c *callbacks) SendCallback(ctx context.Context, m platform.CallbackMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the callback of query %s: %w", m.Query.ID, err)
	}
	_, err = c.queues.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: c.queues.url(platform.CallbackQueue), MessageBody: aws.String(notAllowed.Replace(string(body))),
		DelaySeconds: seconds(min(m.DueAt.Sub(c.now()), longestDelay)), MessageGroupId: c.queues.group(m.Query),
	})
	if err != nil {
		return failed("send the callback of query "+m.Query.ID, err)
	}
	return nil
}

// ClaimCallback implements platform.Callbacks: one conditional write, which answers with
// the record.
func (c *callbacks) ClaimCallback(ctx context.Context, id string, tries int, until time.Time) (rec query.Record, err error) {
	attempt := "claim the callback of query " + id
	where, err := signed.PeekID(id)
	if err != nil {
		return rec, fmt.Errorf("%s: %w", attempt, platform.ErrNotFound)
	}
	now := c.now()
	row, held, err := c.table.update(ctx, &dynamodb.UpdateItemInput{
		Key:              recordKey(id, where),
		UpdateExpression: aws.String("SET #" + callbackClaim + " = :until, #" + callbackTries + " = :tries"),
		ConditionExpression: aws.String("attribute_exists(#" + recordAttribute + ") AND attribute_not_exists(#" + callbackOver + ")" +
			" AND (attribute_not_exists(#" + callbackTries + ") OR #" + callbackTries + " <= :tries)" +
			" AND (attribute_not_exists(#" + callbackClaim + ") OR #" + callbackClaim + " <= :now)"),
		ExpressionAttributeNames:  placeholders(recordAttribute, callbackClaim, callbackTries, callbackOver),
		ExpressionAttributeValues: item{":until": number(until.UnixMilli()), ":tries": number(int64(tries)), ":now": number(now.UnixMilli())},
	})
	switch {
	case err != nil:
		return rec, fmt.Errorf("%s: %w", attempt, err)
	case !live(row, now):
		return rec, fmt.Errorf("%s: %w", attempt, platform.ErrNotFound)
	case !held && (row[callbackOver] != nil || numberOf(row, callbackTries) > int64(tries)):
		return rec, fmt.Errorf("%s: %w", attempt, platform.ErrCallbackOver)
	case !held:
		return rec, fmt.Errorf("%s: another process makes it: %w", attempt, platform.ErrConflict)
	}
	if err := read(row, recordAttribute, &rec); err != nil {
		return rec, fmt.Errorf("%s: %w", attempt, err)
	}
	return rec, nil
}

// RetryCallback implements platform.Callbacks.
func (c *callbacks) RetryCallback(ctx context.Context, id string, tries int) error {
	return c.note(ctx, id, &dynamodb.UpdateItemInput{
		UpdateExpression:          aws.String("SET #" + callbackTries + " = :tries REMOVE #" + callbackClaim),
		ConditionExpression:       aws.String("attribute_exists(#" + recordAttribute + ") AND #" + callbackTries + " < :tries"),
		ExpressionAttributeNames:  placeholders(recordAttribute, callbackTries, callbackClaim),
		ExpressionAttributeValues: item{":tries": number(int64(tries))},
	})
}

// EndCallback implements platform.Callbacks.
func (c *callbacks) EndCallback(ctx context.Context, id string) error {
	return c.note(ctx, id, &dynamodb.UpdateItemInput{
		UpdateExpression:          aws.String("SET #" + callbackOver + " = :yes REMOVE #" + callbackClaim),
		ConditionExpression:       aws.String("attribute_exists(#" + recordAttribute + ")"),
		ExpressionAttributeNames:  placeholders(recordAttribute, callbackOver, callbackClaim),
		ExpressionAttributeValues: item{":yes": number(1)},
	})
}

// WaitingCallbacks implements platform.Callbacks.
func (c *callbacks) WaitingCallbacks(ctx context.Context) (int, error) {
	const attempt = "count the messages of callbacks"
	out, err := c.queues.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: c.queues.url(platform.CallbackQueue), AttributeNames: waiting})
	if err != nil {
		return 0, failed(attempt, err)
	}
	sum := 0
	for _, name := range waiting {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return 0, fmt.Errorf("%s: %s: %w", attempt, name, err)
		}
		sum += n
	}
	return sum, nil
}

// waiting are the counts of a queue's messages: each is in one of them.
var waiting = []types.QueueAttributeName{
	types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
}

// note changes a record's row. One that is forgotten needs no note, nor one that says
// already what is later.
func (c *callbacks) note(ctx context.Context, id string, in *dynamodb.UpdateItemInput) error {
	attempt := "note what became of the callback of query " + id
	where, err := signed.PeekID(id)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	in.Key = recordKey(id, where)
	if _, _, err := c.table.update(ctx, in); err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	return nil
}

// ended sends the message by which the callback of a query that has just ended is made at
// once. Should it be lost, the one that was sent before the query was accepted comes
// later.
func (c *callbacks) ended(ctx context.Context, r query.Record) error {
	m := r.Message(query.Input{})
	m.Callback, m.ForgetAt = r.Callback, r.ForgetAt
	return c.SendCallback(ctx, platform.NewCallbackMessage(m, c.now()))
}
