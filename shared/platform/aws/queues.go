package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	longestPoll  = 20 * time.Second
	maxReceive   = 10      // messages of one call, SQS's bound
	maxBatch     = 10      // likewise
	maxBytes     = 1 << 20 // of one message, and of all of one call
	longestLease = 12 * time.Hour
	shortest     = time.Second // SQS counts leases and waits in whole seconds
)

// queues are SQS standard queues.
type queues struct {
	client queueClient
	prefix string
	stage  string
	leases leases
	fair   bool // see Config.FairQueues
	now    func() time.Time
	// age asks how old a queue's oldest message is: SQS reports it to CloudWatch alone.
	age func(ctx context.Context, physical string) (time.Duration, error)
}

func (q *queues) url(name platform.QueueName) *string { return aws.String(q.prefix + string(name)) }

// Send implements platform.Queues. Messages go in as few calls as fit; when one
// fails, those before it are sent.
func (q *queues) Send(ctx context.Context, to platform.QueueName, msgs ...query.Message) error {
	var batch []types.SendMessageBatchRequestEntry
	size := 0
	for i, m := range msgs {
		body, err := encode(m)
		if err != nil {
			return fmt.Errorf("send query %s to %s: %w", m.ID, to, err)
		}
		if len(batch) == maxBatch || size+len(body) > maxBytes {
			if err := q.sendBatch(ctx, to, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		size += len(body)
		batch = append(batch, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &body, MessageGroupId: q.group(m),
		})
	}
	return q.sendBatch(ctx, to, batch)
}

// group is a message's owner as SQS may know it: a hash, as a group has 128 letters of
// few kinds. On a standard queue it brings no order and no limit; it makes the queue
// fair between groups, and each request to it costs a little more
// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html).
func (q *queues) group(m query.Message) *string {
	if !q.fair {
		return nil
	}
	return aws.String(fmt.Sprintf("%x", signed.HashOwner(m.Owner)))
}

func (q *queues) sendBatch(ctx context.Context, to platform.QueueName, batch []types.SendMessageBatchRequestEntry) error {
	if len(batch) == 0 {
		return nil
	}
	attempt := fmt.Sprintf("send %d messages to %s", len(batch), to)
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: q.url(to), Entries: batch})
	if err != nil {
		return failed(attempt, err)
	}
	return partly(attempt, out.Failed)
}

// partly is the error of a batch of which entries failed.
func partly(attempt string, bad []types.BatchResultErrorEntry) error {
	var errs []error
	for _, e := range bad {
		class := classes[aws.ToString(e.Code)]
		if class == nil {
			class = platform.ErrUnavailable
		}
		errs = append(errs, fmt.Errorf("%s: %w: %s: %s", attempt, class, aws.ToString(e.Code), aws.ToString(e.Message)))
	}
	return errors.Join(errs...)
}

// notAllowed are the two characters of JSON text that SQS does not take.
var notAllowed = strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`)

// encode writes a message as SQS takes it.
func encode(m query.Message) (string, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	body := string(text)
	if strings.Contains(body, "\uFFFE") || strings.Contains(body, "\uFFFF") {
		body = notAllowed.Replace(body)
	}
	if len(body) > maxBytes {
		return "", fmt.Errorf("%d bytes, of at most %d: %w", len(body), maxBytes, platform.ErrTooLarge)
	}
	return body, nil
}

// Receive implements platform.Queues. Leases and waits are rounded up to whole
// seconds. What cannot be read is left to the queue's own redrive.
func (q *queues) Receive(ctx context.Context, from platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	if limit < 1 || limit > maxReceive {
		return nil, fmt.Errorf("receive from %s: the limit of %d messages is outside 1 to %d", from, limit, maxReceive)
	}
	for end := q.now().Add(wait); ; {
		rest := min(max(0, end.Sub(q.now())), longestPoll)
		out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: q.url(from), MaxNumberOfMessages: int32(limit), VisibilityTimeout: seconds(lease), WaitTimeSeconds: seconds(rest),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		})
		if ctx.Err() != nil {
			return nil, fmt.Errorf("receive from %s: %w", from, ctx.Err())
		}
		if err != nil {
			return nil, failed("receive from "+string(from), err)
		}
		if ds := q.deliveries(from, out.Messages, lease); len(ds) > 0 || !q.now().Before(end) {
			return ds, nil
		}
	}
}

func (q *queues) deliveries(from platform.QueueName, ms []types.Message, lease time.Duration) []platform.Delivery {
	ds := []platform.Delivery{}
	for _, m := range ms {
		d := platform.Delivery{Queue: from, Receives: 1, Receipt: q.leases.receipt(aws.ToString(m.ReceiptHandle), lease)}
		if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil {
			d.Receives = n
		}
		if json.Unmarshal([]byte(aws.ToString(m.Body)), &d.Message) == nil {
			ds = append(ds, d)
		}
	}
	return ds
}

// seconds rounds up to whole seconds, within SQS's bounds.
func seconds(d time.Duration) int32 {
	return int32((min(max(d, 0), longestLease) + shortest - 1) / time.Second)
}

// Extend implements platform.Queues.
func (q *queues) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	attempt := "extend the lease of query " + d.Message.ID
	handle, held := q.leases.held(d.Receipt)
	if !held {
		return fmt.Errorf("%s: %w", attempt, platform.ErrLeaseLost)
	}
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: q.url(d.Queue), ReceiptHandle: &handle, VisibilityTimeout: seconds(lease),
	})
	if code(err, "InvalidParameterValue") || code(err, "InvalidParameterValueException") { // of a message that is gone
		return fmt.Errorf("%s: %w: %w", attempt, platform.ErrLeaseLost, err)
	}
	if err != nil {
		return failed(attempt, err)
	}
	q.leases.renew(handle, lease)
	return nil
}

// Delete implements platform.Queues.
func (q *queues) Delete(ctx context.Context, ds ...platform.Delivery) error {
	byQueue := map[platform.QueueName][]types.DeleteMessageBatchRequestEntry{}
	for i, d := range ds {
		if handle, held := q.leases.held(d.Receipt); held {
			byQueue[d.Queue] = append(byQueue[d.Queue], types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &handle})
		}
	}
	var errs []error
	for name, entries := range byQueue {
		for len(entries) > 0 {
			n := min(len(entries), maxBatch)
			errs = append(errs, q.deleteBatch(ctx, name, entries[:n]))
			entries = entries[n:]
		}
	}
	return errors.Join(errs...)
}

func (q *queues) deleteBatch(ctx context.Context, from platform.QueueName, batch []types.DeleteMessageBatchRequestEntry) error {
	attempt := fmt.Sprintf("delete %d messages of %s", len(batch), from)
	out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: q.url(from), Entries: batch})
	if err != nil {
		return failed(attempt, err)
	}
	for _, e := range batch {
		q.leases.end(*e.ReceiptHandle)
	}
	var bad []types.BatchResultErrorEntry
	for _, e := range out.Failed {
		if classes[aws.ToString(e.Code)] != platform.ErrLeaseLost { // the process that holds it now ends it
			bad = append(bad, e)
		}
	}
	return partly(attempt, bad)
}

// Release implements platform.Queues. SQS counts every receive, so the messages
// are sent anew, with what was counted against them until now, and then deleted:
// two calls for ten of them. Where a call fails in part, those that it sent come
// twice.
func (q *queues) Release(ctx context.Context, ds ...platform.Delivery) error {
	byQueue := map[platform.QueueName][]platform.Delivery{}
	for _, d := range ds {
		if _, held := q.leases.held(d.Receipt); held {
			d.Message.Attempts += max(0, d.Receives-1)
			byQueue[d.Queue] = append(byQueue[d.Queue], d)
		}
	}
	var errs []error
	for name, held := range byQueue {
		for some := range slices.Chunk(held, maxBatch) {
			errs = append(errs, q.sendAgain(ctx, name, some))
		}
	}
	return errors.Join(errs...)
}

// sendAgain sends deliveries' messages to a queue and then deletes the deliveries.
func (q *queues) sendAgain(ctx context.Context, to platform.QueueName, ds []platform.Delivery) error {
	msgs := make([]query.Message, len(ds))
	for i, d := range ds {
		msgs[i] = d.Message
	}
	if err := q.Send(ctx, to, msgs...); err != nil {
		return fmt.Errorf("release %d messages: %w", len(ds), err)
	}
	return q.Delete(ctx, ds...)
}

// Move implements platform.Queues: it sends and then deletes.
func (q *queues) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, msg query.Message) error {
	if _, held := q.leases.held(d.Receipt); !held {
		return fmt.Errorf("move query %s to %s: %w", d.Message.ID, to, platform.ErrLeaseLost)
	}
	if err := q.Send(ctx, to, msg); err != nil {
		return err
	}
	return q.Delete(ctx, d)
}

// Depth implements platform.Queues. SQS's counts are near the truth; the age is
// CloudWatch's, a minute or so late, and zero where it has none.
func (q *queues) Depth(ctx context.Context, of platform.QueueName) (platform.Depth, error) {
	attempt := "depth of " + string(of)
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: q.url(of), AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}})
	if err != nil {
		return platform.Depth{}, failed(attempt, err)
	}
	var d platform.Depth
	for name, n := range map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages: &d.Visible, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &d.InFlight,
	} {
		if *n, err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			return d, fmt.Errorf("%s: %s: %w", attempt, name, err)
		}
	}
	if d.Visible > 0 {
		if d.Oldest, err = q.age(ctx, names.Queue(q.stage, of)); err != nil {
			return d, fmt.Errorf("%s: %w", attempt, err)
		}
	}
	return d, nil
}
