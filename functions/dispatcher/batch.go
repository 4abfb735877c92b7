package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// handler answers deliveries and returns those that must come again.
type handler interface {
	Handle(ctx context.Context, ds []platform.Delivery) []platform.Delivery
}

// batch turns an SQS event into deliveries, what failed into the event's answer,
// and reports what it cost.
type batch struct {
	handler
	spent   *spent
	counted *counted // nil counts nothing
	traces  *tracing.Source
	// catalogue is the one that is chosen by.
	catalogue profile.CatalogueSource
}

// counted is what became of the queries that this process ended.
type counted struct {
	*tally.Book
	to       platform.Reports
	id       string
	settings func() settings.Settings
}

func (b batch) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	var ds []platform.Delivery
	var failed []events.SQSBatchItemFailure
	sqsID := map[string]string{} // by receipt
	for _, m := range e.Records {
		d, err := delivery(m)
		if err != nil { // the queue's own redrive takes what nobody can read
			slog.Error("cannot read a message", "message", m.MessageId, "error", err)
			failed = append(failed, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			continue
		}
		sqsID[d.Receipt] = m.MessageId
		ds = append(ds, d)
	}
	if len(ds) > 0 {
		for _, d := range b.Handle(ctx, ds) {
			failed = append(failed, events.SQSBatchItemFailure{ItemIdentifier: sqsID[d.Receipt]})
		}
	}
	b.spent.publish(ctx)
	b.counted.report(ctx)
	b.traces.Flush(ctx)
	profile.Settle(b.catalogue) // the process may be frozen now
	return events.SQSEventResponse{BatchItemFailures: failed}, nil
}

// report writes what was counted, at most once in heartbeat_seconds. Counts are
// cumulative: what cannot be written comes with the next batch.
func (c *counted) report(ctx context.Context) {
	if c == nil {
		return
	}
	t := c.Due(time.Now(), time.Duration(c.settings().HeartbeatSeconds*float64(time.Second)))
	if t.IsZero() {
		return
	}
	if err := platform.ReportTallies(ctx, c.to, c.id, t); err != nil {
		slog.Warn("could not report the counts of ended queries; they are reported later", "error", err)
	}
}

func delivery(m events.SQSMessage) (platform.Delivery, error) {
	d := platform.Delivery{Receipt: m.ReceiptHandle, Queue: platform.Overflow, Receives: 1}
	if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil {
		d.Receives = n
	}
	var msg query.Message
	if err := json.Unmarshal([]byte(m.Body), &msg); err != nil {
		return d, err
	}
	d.Message = msg
	return d, nil
}
