package cloud

import (
	"context"
	"time"

	"paragon/shared/core/query"
)

// Records keeps how queries ended: one terminal record each, written once. An
// unfinished query has none; its signed id (package signed) says what is known
// of it. A record past its ForgetAt counts as absent; backends delete it later.
type Records interface {
	// PutRecord stores a terminal record unless one with its id is there: the
	// first wins. It returns the record that is held then; won says whether it is
	// this one. An error means that neither is known. A record that loses is
	// counted in the metric LateWrites.
	PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error)
	// GetRecord returns the record of an id, read consistently. ErrNotFound.
	GetRecord(ctx context.Context, id string) (query.Record, error)
	// AwaitRecord returns the record of an id once it is there. ErrNotFound when
	// ctx ends before; it is read once more then.
	AwaitRecord(ctx context.Context, id string) (query.Record, error)
	// EndStates returns the states of those queries that have a record.
	EndStates(ctx context.Context, ids ...string) (map[string]query.State, error)
	// ListRecords returns an owner's newest stored records, newest first. Kept
	// samples of direct answers are not among them.
	ListRecords(ctx context.Context, owner string, limit int) ([]query.Record, error)
	// SampleRecords returns the newest kept samples of direct answers, of every
	// owner, accepted at or after since, newest first.
	SampleRecords(ctx context.Context, since time.Time, limit int) ([]query.Record, error)
}

// Attempt is what an idempotency key stands for: the first attempt at a query,
// or the one that replaced it.
type Attempt struct {
	Owner    string    `json:"owner"`
	Key      string    `json:"key"`
	BodyHash string    `json:"body_hash"` // of the request: another body under the key is refused
	ID       string    `json:"id"`        // of the query
	Owed     bool      `json:"owed"`      // its caller did not wait: a 202 was, or may have been, given
	ForgetAt time.Time `json:"forget_at"`
}

// Attempts keeps idempotency keys.
type Attempts interface {
	// ClaimKey stores an attempt unless its owner has one under its key that is
	// not forgotten, and returns the one that is held then; won says whether it
	// is this one.
	ClaimKey(ctx context.Context, a Attempt) (held Attempt, won bool, err error)
	// ReplaceKey stores an attempt in place of the one with the id given, if that
	// is still the one held, and returns the one that is held then.
	ReplaceKey(ctx context.Context, old string, a Attempt) (held Attempt, won bool, err error)
}

// Shared keeps small values that many processes change: each change names the
// version that it was made from.
type Shared interface {
	// ReadShared returns a value and its version; nil and 0 when there is none.
	ReadShared(ctx context.Context, name string) (value []byte, version int64, err error)
	// SwapShared stores a value if the version is still the one given, and
	// returns the new version. ErrConflict, with nothing stored, otherwise.
	SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error)
}
