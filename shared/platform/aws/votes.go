package aws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	voteTries         = 20                    // against others who vote at the same moment
	votePause         = 50 * time.Millisecond // the longest between them
	voteAttribute     = "vote"
	sequenceAttribute = "n"
)

// votes are rows of the state table: one that a query has voted, one a vote in
// the order of storing, and one that counts. A transaction writes all three, so
// that no reader of the order ever misses one.
type votes struct {
	table table
	now   func() time.Time
}

func voteSort(n int64) string { return fmt.Sprintf("%019d", n) }

// Vote implements platform.Votes.
func (v *votes) Vote(ctx context.Context, queryID string, vote feedback.Vote) error {
	attempt := "vote on query " + queryID
	doc, err := document(vote)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	for range voteTries {
		row, err := v.table.get(ctx, stateKey("votes", "count"))
		if err != nil {
			return fmt.Errorf("%s: %w", attempt, err)
		}
		_, err = v.table.client.TransactWriteItems(ctx, v.transaction(queryID, doc, numberOf(row, sequenceAttribute)))
		if err == nil {
			return nil
		}
		canceled := new(types.TransactionCanceledException)
		if !errors.As(err, &canceled) {
			return failed(attempt, err)
		}
		if reason(canceled, 0) == "ConditionalCheckFailed" {
			return fmt.Errorf("%s: %w", attempt, platform.ErrExists)
		}
		select {
		case <-time.After(rand.N(votePause)):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", attempt, ctx.Err())
		}
	}
	return fmt.Errorf("%s: %w: too many callers vote at the same time", attempt, platform.ErrThrottled)
}

func reason(c *types.TransactionCanceledException, i int) string {
	if i >= len(c.CancellationReasons) {
		return ""
	}
	return aws.ToString(c.CancellationReasons[i].Code)
}

// transaction stores a vote as the one after the last.
func (v *votes) transaction(queryID string, doc types.AttributeValue, last int64) *dynamodb.TransactWriteItemsInput {
	ttl := number(v.now().AddDate(0, 0, platform.VotesKeptDays).Unix())
	once, vote := stateKey("voted", queryID), stateKey("votes", voteSort(last+1))
	once[names.StateTTL], vote[names.StateTTL], vote[voteAttribute] = ttl, ttl, doc
	absent := aws.String("attribute_not_exists(pk)")
	return &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &v.table.name, Item: once, ConditionExpression: absent}},
		{Put: &types.Put{TableName: &v.table.name, Item: vote, ConditionExpression: absent}},
		{Update: &types.Update{
			TableName: &v.table.name, Key: stateKey("votes", "count"),
			UpdateExpression:          aws.String("SET n = :next"),
			ConditionExpression:       aws.String("attribute_not_exists(n) OR n = :last"),
			ExpressionAttributeValues: item{":next": number(last + 1), ":last": number(last)},
		}},
	}}
}

// VotesAfter implements platform.Votes.
func (v *votes) VotesAfter(ctx context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error) {
	rows, err := v.table.search(ctx, &dynamodb.QueryInput{
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :votes AND sk BETWEEN :after AND :end"),
		ExpressionAttributeValues: item{":votes": text("votes"), ":after": text(voteSort(cursor + 1)), ":end": text("9999999999999999999")},
	}, limit)
	if err != nil {
		return nil, cursor, fmt.Errorf("read votes: %w", err)
	}
	var out []feedback.Vote
	for _, row := range rows {
		var vote feedback.Vote
		if err := read(row, voteAttribute, &vote); err != nil {
			return nil, cursor, fmt.Errorf("read votes: %w", err)
		}
		if cursor, err = strconv.ParseInt(textOf(row, names.StateSort), 10, 64); err != nil {
			return nil, cursor, fmt.Errorf("read votes: %w", err)
		}
		out = append(out, vote)
	}
	return out, cursor, nil
}
