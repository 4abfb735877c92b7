package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/platform"
)

// maxKeys is DynamoDB's bound on the items of one batch.
const maxKeys = 100

// item is a row of a table, or a part of one.
type item = map[string]types.AttributeValue

// table is one DynamoDB table.
type table struct {
	client tableClient
	name   string
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// document is a value as JSON text.
func document(v any) (types.AttributeValue, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return text(string(b)), nil
}

// textOf returns a text attribute; empty when it is not there.
func textOf(row item, name string) string {
	if s, ok := row[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// numberOf returns a number attribute; 0 when it is not there.
func numberOf(row item, name string) int64 {
	if n, ok := row[name].(*types.AttributeValueMemberN); ok {
		v, _ := strconv.ParseInt(n.Value, 10, 64)
		return v
	}
	return 0
}

// read decodes a JSON attribute, packed or not. One that is not there leaves v
// as it is.
func read(row item, name string, v any) error {
	raw, err := unpacked(row, name)
	if err != nil || len(raw) == 0 {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}

// names makes placeholders of attribute names, since many of them are words of
// DynamoDB's own: state becomes #state.
func placeholders(attributes ...string) map[string]string {
	out := map[string]string{}
	for _, a := range attributes {
		out["#"+a] = a
	}
	return out
}

// get returns one row, as of now; nil when there is none.
func (t table) get(ctx context.Context, key item) (item, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, failed("read table "+t.name, err)
	}
	return out.Item, nil
}

// recent returns one row as it was a moment ago, at half of get's price; nil when
// there was none.
func (t table) recent(ctx context.Context, key item) (item, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key})
	if err != nil {
		return nil, failed("read table "+t.name, err)
	}
	return out.Item, nil
}

// update changes one row, when its condition holds, and returns it as it is
// then. Otherwise held is false, and the row is the one that was in the way;
// nil when none was there.
func (t table) update(ctx context.Context, in *dynamodb.UpdateItemInput, with ...func(*dynamodb.Options)) (row item, held bool, err error) {
	in.TableName = &t.name
	in.ReturnValues = types.ReturnValueAllNew
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	out, err := t.client.UpdateItem(ctx, in, with...)
	if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) {
		return refused.Item, false, nil
	}
	if err != nil {
		return nil, false, failed("write table "+t.name, err)
	}
	return out.Attributes, true, nil
}

// batch returns the rows of those keys that exist, in no order; names, when
// given, are the attributes to return.
func (t table) batch(ctx context.Context, keys []item, attributes ...string) ([]item, error) {
	var rows []item
	for len(keys) > 0 {
		n := min(len(keys), maxKeys)
		ask := types.KeysAndAttributes{Keys: keys[:n], ConsistentRead: aws.Bool(true)}
		if len(attributes) > 0 {
			ask.ProjectionExpression, ask.ExpressionAttributeNames = project(attributes)
		}
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{t.name: ask}})
		if err != nil {
			return nil, failed("read table "+t.name, err)
		}
		rows = append(rows, out.Responses[t.name]...)
		left := out.UnprocessedKeys[t.name].Keys
		if len(left) == n { // nothing came: it is throttled
			return nil, fmt.Errorf("read table %s: %w: none of %d rows was read", t.name, platform.ErrThrottled, n)
		}
		keys = append(left, keys[n:]...)
	}
	return rows, nil
}

func project(attributes []string) (*string, map[string]string) {
	list := ""
	for i, a := range attributes {
		if i > 0 {
			list += ", "
		}
		list += "#" + a
	}
	return &list, placeholders(attributes...)
}

// search returns up to limit rows of a query, page by page.
func (t table) search(ctx context.Context, in *dynamodb.QueryInput, limit int) ([]item, error) {
	in.TableName = &t.name
	var rows []item
	for len(rows) < limit {
		in.Limit = aws.Int32(int32(min(limit-len(rows), 1000)))
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return nil, failed("search table "+t.name, err)
		}
		rows = append(rows, out.Items...)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			break
		}
	}
	return rows, nil
}
