package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/platform"
)

// The attributes of a shared value.
const (
	versionAttribute = "version"
	valueAttribute   = "value"
)

// shared keeps values that many processes change, a row of the state table each.
type shared struct {
	table table
	ends  ends // of lines
}

func sharedKey(name string) item { return stateKey("shared", name) }

// ReadShared implements platform.Shared, as of now.
func (s *shared) ReadShared(ctx context.Context, name string) (value []byte, version int64, err error) {
	row, err := s.table.get(ctx, sharedKey(name))
	if err != nil {
		return nil, 0, fmt.Errorf("read the shared value %s: %w", name, err)
	}
	if b, ok := row[valueAttribute].(*types.AttributeValueMemberB); ok {
		value = b.Value
	}
	return value, numberOf(row, versionAttribute), nil
}

// once has a call tried a single time.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// SwapShared implements platform.Shared: one conditional write. It is not tried
// again: the repeat of a write that was stored and whose answer was lost would
// find a conflict, and say that nothing was stored.
func (s *shared) SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &s.table.name, Key: sharedKey(name), UpdateExpression: aws.String("SET #value = :value, #version = :next"),
		ConditionExpression:      aws.String("#version = :version"),
		ExpressionAttributeNames: placeholders(valueAttribute, versionAttribute),
		ExpressionAttributeValues: item{
			":value": &types.AttributeValueMemberB{Value: value}, ":version": number(version), ":next": number(version + 1),
		},
	}
	if version == 0 {
		in.ConditionExpression = aws.String("attribute_not_exists(#version)")
		delete(in.ExpressionAttributeValues, ":version")
	}
	_, err := s.table.client.UpdateItem(ctx, in, once)
	if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) {
		return 0, fmt.Errorf("change the shared value %s: %w", name, platform.ErrConflict)
	}
	if err != nil {
		return 0, failed("change the shared value "+name, err)
	}
	return version + 1, nil
}
