package platform

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// Records keeps how queries ended: one terminal record each, written once. An
// unfinished query has none; its signed id (package signed) says what is known
// of it. A record past its ForgetAt, to the second, counts as absent; backends
// delete it later. An id that was never signed has no record.
type Records interface {
	// PutRecord stores a terminal record unless one with its id is there: the
	// first wins. It returns the record that is held then; won says whether it is
	// this one, so that a writer that got no answer may repeat the very same
	// record. An error means that neither is known. A record that loses is
	// counted in the metric LateWrites. CheckRecord says what is refused.
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

// CheckRecord returns what a record's id says of it. It fails when PutRecord
// refuses the record: its state is not terminal, its id is none that package
// signed makes, or its owner is not the one of the id, who could list it.
func CheckRecord(r query.Record) (signed.ID, error) {
	if !r.State.Terminal() {
		return signed.ID{}, fmt.Errorf("state %q is not that of an ended query", r.State)
	}
	id, err := signed.PeekID(r.ID)
	if err != nil {
		return id, fmt.Errorf("id %q: %w", r.ID, err)
	}
	if id.Kind != signed.Direct && id.Kind != signed.Stored {
		return id, fmt.Errorf("id %q: kind %q is neither direct nor stored", r.ID, id.Kind)
	}
	if id.Owner != signed.HashOwner(r.Owner) {
		return id, fmt.Errorf("owner %q is not the owner that id %q was made for", r.Owner, r.ID)
	}
	return id, nil
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
	// ReserveKey stores an attempt unless its owner has one under its key that is
	// not forgotten, and returns the one that is held then; won says whether it
	// is this one, by its id.
	ReserveKey(ctx context.Context, a Attempt) (held Attempt, won bool, err error)
	// ReplaceKey stores an attempt in place of the one with the id given, if that
	// is still the one held, and returns the one that is held then, as ClaimKey
	// does. ErrNotFound when none is held any more.
	ReplaceKey(ctx context.Context, old string, a Attempt) (held Attempt, won bool, err error)
}

// Shared keeps small values that many processes change: each change names the
// version that it was made from.
type Shared interface {
	// ReadShared returns a value and its version; nil and 0 when there is none.
	ReadShared(ctx context.Context, name string) (value []byte, version int64, err error)
	// SwapShared stores a value if the version is still the one given, and
	// returns the new version. ErrConflict, with nothing stored, otherwise. After
	// any other error it may have been stored or not.
	SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error)
	// Reserve adds work to a line that is worked off in real time: the line then
	// ends that much after its end, or after from, whichever is later, unless that
	// is after latest. It returns when the line ends then; ok is false, with
	// nothing changed, when the work did not fit. Times are kept in microseconds.
	// After an error it may have been added or not.
	Reserve(ctx context.Context, line string, from, latest time.Time, work time.Duration) (end time.Time, ok bool, err error)
}

// ReserveTime bounds one call of Reserve: without an answer by then its caller goes by
// what it knows itself.
const ReserveTime = 250 * time.Millisecond

// LinePart names a part of a line, where one row would not bear its writes: the first part
// has the name of the line.
func LinePart(line string, part int) string {
	if part == 0 {
		return line
	}
	return line + "-" + strconv.Itoa(part)
}
