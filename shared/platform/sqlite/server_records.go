package sqlite

import (
	"context"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

// recordCalls are those of cloud.Records, platform.Attempts and platform.Shared.
var recordCalls = map[string]handler{
	"put-record": on(func(ctx context.Context, c *consumer, r query.Record) (rpc.Settled, error) {
		held, won, err := c.PutRecord(ctx, r)
		return rpc.Settled{Record: held, First: won}, err
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
	"list-records": on(func(ctx context.Context, c *consumer, q rpc.ListCall) ([]query.Record, error) {
		return c.ListRecords(ctx, q.Owner, q.Limit)
	}),
	"sample-records": on(func(ctx context.Context, c *consumer, q rpc.TimeCall) ([]query.Record, error) {
		return c.SampleRecords(ctx, q.Now, q.Limit)
	}),
	"claim-key": on(func(ctx context.Context, c *consumer, a platform.Attempt) (rpc.KeyAnswer, error) {
		held, won, err := c.ReserveKey(ctx, a)
		return rpc.KeyAnswer{Attempt: held, Won: won}, err
	}),
	"replace-key": on(func(ctx context.Context, c *consumer, q rpc.ReplaceCall) (rpc.KeyAnswer, error) {
		held, won, err := c.ReplaceKey(ctx, q.Old, q.Attempt)
		return rpc.KeyAnswer{Attempt: held, Won: won}, err
	}),
	"read-shared": on(func(ctx context.Context, c *consumer, name string) (rpc.SharedAnswer, error) {
		value, version, err := c.ReadShared(ctx, name)
		return rpc.SharedAnswer{Value: value, Version: version}, err
	}),
	"swap-shared": on(func(ctx context.Context, c *consumer, q rpc.SwapCall) (int64, error) {
		return c.SwapShared(ctx, q.Name, q.Value, q.Version)
	}),
	"reserve": on(func(ctx context.Context, c *consumer, q rpc.ReserveCall) (rpc.ReserveAnswer, error) {
		end, ok, err := c.Reserve(ctx, q.Line, q.From, q.Latest, q.Work)
		return rpc.ReserveAnswer{End: end, OK: ok}, err
	}),
}
