package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// maxPastRows bounds the rows of one read.
const maxPastRows = 1000

// pastRows keeps the rows of the past, each an item of the stage's state.
type pastRows struct{ table table }

// timelineKey is the item of a row: the steps are apart, in the order of time.
func timelineKey(step time.Duration, at time.Time) item {
	return stateKey(fmt.Sprintf("timeline#%d", int(step.Seconds())), at.UTC().Format(time.RFC3339))
}

// PutTimeline implements platform.Timeline: a write a row.
func (p *pastRows) PutTimeline(ctx context.Context, rows ...timeline.Stored) error {
	for _, r := range rows {
		doc, err := packed(r.Row)
		if err != nil {
			return fmt.Errorf("store the row of %v at %v: %w", r.Step, r.Row.At, err)
		}
		row := timelineKey(r.Step, r.Row.At)
		row[documentAttribute], row[names.StateTTL] = doc, number(r.Row.At.Add(r.Step+timeline.Kept).Unix())
		if _, err := p.table.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &p.table.name, Item: row}); err != nil {
			return failed(fmt.Sprintf("store the row of %v at %v", r.Step, r.Row.At), err)
		}
	}
	return nil
}

// Timeline implements platform.Timeline. Rows do not change once they are stored, so
// that a read which is a moment late, at half the price, is as good.
func (p *pastRows) Timeline(ctx context.Context, step time.Duration, from, to time.Time) ([]timeline.Row, error) {
	if !from.Before(to) {
		return nil, nil
	}
	first, last := timelineKey(step, from), timelineKey(step, to.Add(-time.Nanosecond)) // keys are of whole seconds, as starts are
	rows, err := p.table.search(ctx, &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("#pk = :step AND #sk BETWEEN :first AND :last"),
		ExpressionAttributeNames:  placeholders(names.StateKey, names.StateSort),
		ExpressionAttributeValues: item{":step": first[names.StateKey], ":first": first[names.StateSort], ":last": last[names.StateSort]},
	}, maxPastRows)
	if err != nil {
		return nil, fmt.Errorf("read the rows of %v: %w", step, err)
	}
	out := make([]timeline.Row, len(rows))
	for i, row := range rows {
		if err := read(row, documentAttribute, &out[i]); err != nil {
			return nil, fmt.Errorf("the row of %v at %s: %w", step, textOf(row, names.StateSort), err)
		}
	}
	return out, nil
}
