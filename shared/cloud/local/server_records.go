package local

import (
	"context"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local/loopback"
	"paragon/shared/core/query"
)

// recordCalls are those of cloud.Records, cloud.Attempts and cloud.Shared.
var recordCalls = map[string]handler{
	"put-record": on(func(ctx context.Context, c *consumer, r query.Record) (loopback.Settled, error) {
		held, won, err := c.PutRecord(ctx, r)
		return loopback.Settled{Record: held, First: won}, err
	}),
	"get-record": on(func(ctx context.Context, c *consumer, id string) (query.Record, error) {
		return c.GetRecord(ctx, id)
	}),
	"await-record": on(func(ctx context.Context, c *consumer, id string) (query.Record, error) {
		return c.AwaitRecord(ctx, id)
	}),
	"end-states": on(func(ctx context.Context, c *consumer, ids []string) (map[string]query.State, error) {
		return c.EndStates(ctx, ids...)
	}),
	"list-records": on(func(ctx context.Context, c *consumer, q loopback.ListCall) ([]query.Record, error) {
		return c.ListRecords(ctx, q.Owner, q.Limit)
	}),
	"sample-records": on(func(ctx context.Context, c *consumer, q loopback.TimeCall) ([]query.Record, error) {
		return c.SampleRecords(ctx, q.Now, q.Limit)
	}),
	"claim-key": on(func(ctx context.Context, c *consumer, a cloud.Attempt) (loopback.ClaimAnswer, error) {
		held, won, err := c.ClaimKey(ctx, a)
		return loopback.ClaimAnswer{Attempt: held, Won: won}, err
	}),
	"replace-key": on(func(ctx context.Context, c *consumer, q loopback.ReplaceCall) (loopback.ClaimAnswer, error) {
		held, won, err := c.ReplaceKey(ctx, q.Old, q.Attempt)
		return loopback.ClaimAnswer{Attempt: held, Won: won}, err
	}),
	"read-shared": on(func(ctx context.Context, c *consumer, name string) (loopback.SharedAnswer, error) {
		value, version, err := c.ReadShared(ctx, name)
		return loopback.SharedAnswer{Value: value, Version: version}, err
	}),
	"swap-shared": on(func(ctx context.Context, c *consumer, q loopback.SwapCall) (int64, error) {
		return c.SwapShared(ctx, q.Name, q.Value, q.Version)
	}),
	"reserve": on(func(ctx context.Context, c *consumer, q loopback.ReserveCall) (loopback.ReserveAnswer, error) {
		end, ok, err := c.Reserve(ctx, q.Line, q.From, q.Latest, q.Work)
		return loopback.ReserveAnswer{End: end, OK: ok}, err
	}),
}
