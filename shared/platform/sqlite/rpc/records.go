package rpc

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

func (r *remote) PutRecord(ctx context.Context, rec query.Record) (query.Record, bool, error) {
	s, err := call[Settled](ctx, r, "put-record", rec)
	return s.Record, s.First, err
}

func (r *remote) GetRecord(ctx context.Context, id string) (query.Record, error) {
	return call[query.Record](ctx, r, "get-record", id)
}

// AwaitRecord reads once more when ctx has ended, as its promise is the record.
func (r *remote) AwaitRecord(ctx context.Context, id string) (query.Record, error) {
	rec, err := call[query.Record](ctx, r, "await-record", id)
	if err != nil && ctx.Err() != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		return r.GetRecord(late, id)
	}
	return rec, err
}

func (r *remote) EndStates(ctx context.Context, ids ...string) (map[string]query.State, error) {
	return call[map[string]query.State](ctx, r, "end-states", ids)
}

func (r *remote) ListRecords(ctx context.Context, owner string, limit int) ([]query.Record, error) {
	return call[[]query.Record](ctx, r, "list-records", ListCall{owner, limit})
}

func (r *remote) SampleRecords(ctx context.Context, since time.Time, limit int) ([]query.Record, error) {
	return call[[]query.Record](ctx, r, "sample-records", TimeCall{since, limit})
}

func (r *remote) ReserveKey(ctx context.Context, a platform.Attempt) (platform.Attempt, bool, error) {
	c, err := call[KeyAnswer](ctx, r, "claim-key", a)
	return c.Attempt, c.Won, err
}

func (r *remote) ReplaceKey(ctx context.Context, old string, a platform.Attempt) (platform.Attempt, bool, error) {
	c, err := call[KeyAnswer](ctx, r, "replace-key", ReplaceCall{old, a})
	return c.Attempt, c.Won, err
}

func (r *remote) ReadShared(ctx context.Context, name string) ([]byte, int64, error) {
	a, err := call[SharedAnswer](ctx, r, "read-shared", name)
	return a.Value, a.Version, err
}

func (r *remote) SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error) {
	return call[int64](ctx, r, "swap-shared", SwapCall{name, value, version})
}

func (r *remote) Reserve(ctx context.Context, line string, from, latest time.Time, work time.Duration) (time.Time, bool, error) {
	a, err := call[ReserveAnswer](ctx, r, "reserve", ReserveCall{line, from, latest, work})
	return a.End, a.OK, err
}
