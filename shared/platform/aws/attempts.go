package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// The attributes of an idempotency key.
const (
	attemptAttribute   = "attempt"
	attemptIDAttribute = "attempt_id" // of the query, for conditions
)

// attempts keeps idempotency keys in the table of records: their load is that of
// queries, which must not throttle the leases and settings of the state table.
type attempts struct {
	table table
	now   func() time.Time
}

// attemptRow is the row of an attempt, in a partition of its own.
func attemptRow(a platform.Attempt) (item, error) {
	doc, err := document(a)
	if err != nil {
		return nil, err
	}
	owner := signed.HashOwner(a.Owner) // of fixed length, so that no owner and key run into one another
	sum := sha256.Sum256(append(owner[:], a.Key...))
	row := recordsItem("key#"+hex.EncodeToString(sum[:]), "key")
	row[attemptAttribute], row[attemptIDAttribute] = doc, text(a.ID)
	if !a.ForgetAt.IsZero() {
		row[names.RecordTTL] = number(forgetSecond(a.ForgetAt))
	}
	return row, nil
}

// ReserveKey implements platform.Attempts: one conditional write.
func (k *attempts) ReserveKey(ctx context.Context, a platform.Attempt) (held platform.Attempt, won bool, err error) {
	const what = "claim an idempotency key"
	row, err := attemptRow(a)
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	old, put, err := k.table.putAbsent(ctx, row, k.now())
	if err == nil && !put {
		err = read(old, attemptAttribute, &held)
	}
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	if put {
		held = a
	}
	return held, held.ID == a.ID, nil
}

// ReplaceKey implements platform.Attempts: one conditional write.
func (k *attempts) ReplaceKey(ctx context.Context, old string, a platform.Attempt) (held platform.Attempt, won bool, err error) {
	const what = "replace the attempt of an idempotency key"
	row, err := attemptRow(a)
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	was, put, err := k.table.put(ctx, &dynamodb.PutItemInput{
		Item:                      row,
		ConditionExpression:       aws.String("#attempt_id = :old AND (attribute_not_exists(#forget) OR #forget > :now)"),
		ExpressionAttributeNames:  placeholders(attemptIDAttribute, names.RecordTTL),
		ExpressionAttributeValues: item{":old": text(old), ":now": number(k.now().Unix())},
	})
	switch {
	case err != nil:
	case put:
		return a, true, nil
	case !live(was, k.now()):
		err = platform.ErrNotFound
	default:
		err = read(was, attemptAttribute, &held)
	}
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return held, held.ID == a.ID, nil
}
