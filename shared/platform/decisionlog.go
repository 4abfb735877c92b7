package platform

import (
	"context"
	"time"
)

// Lease is the right to move the fleet. One controller has it at a time.
type Lease struct {
	Holder string `json:"holder"`
	// Token rises with every change of hands: what an earlier holder writes is refused.
	Token int64     `json:"token"`
	Until time.Time `json:"until"`
}

// Entry is the record of one tick of one pool.
type Entry struct {
	ID   string    `json:"id"` // sorts in the order of time
	Pool string    `json:"pool"`
	At   time.Time `json:"at"`
	// Moves reports whether the fleet was to change; Line describes it in words.
	Moves bool   `json:"moves"`
	Line  string `json:"line"`
	// Outcome is what came of acting: empty while that is not known.
	Outcome  string    `json:"outcome,omitempty"`
	ForgetAt time.Time `json:"forget_at"`
	Record   []byte    `json:"record,omitempty"` // absent in lists
}

// DecisionLog is the controller's memory: the process that has the lease, what a pool's
// controller must remember between two ticks, and the record of every tick.
type DecisionLog interface {
	// AcquireLease takes the lease for a length of time, or renews one's own. ErrLeaseLost
	// when another holds it.
	AcquireLease(ctx context.Context, holder string, length time.Duration) (Lease, error)
	// ReleaseLease gives the lease up before its time. One that was lost is skipped.
	ReleaseLease(ctx context.Context, l Lease) error
	// Memory returns what was stored last for a pool; ErrNotFound before the first.
	Memory(ctx context.Context, pool string) ([]byte, error)
	// Commit stores a pool's memory and the entry of its tick, both or none. An
	// entry of the same id is replaced. ErrLeaseLost, with nothing stored, when
	// the lease has ended or is another's. Entries are forgotten in their time.
	Commit(ctx context.Context, l Lease, memory []byte, e Entry) error
	// Entry returns a tick's entry with its record. ErrNotFound.
	Entry(ctx context.Context, id string) (Entry, error)
	// Entries lists a pool's entries without their records, newest first, those
	// before an id when one is given, those that move the fleet alone when asked.
	Entries(ctx context.Context, q EntryQuery) ([]Entry, error)
}

// EntryQuery says which entries to list.
type EntryQuery struct {
	Pool   string `json:"pool"`
	Before string `json:"before,omitempty"`
	Moves  bool   `json:"moves,omitempty"`
	Limit  int    `json:"limit"`
}

// Group is what a cloud allows of a pool's workers, and what was asked for last.
type Group struct {
	Min     int `json:"min"`
	Max     int `json:"max"`
	Desired int `json:"desired"`
	// Warm are the stopped instances that are ready to be started: the next workers.
	Warm int `json:"warm,omitempty"`
	// LaunchFault is why the newest launch of a worker failed; empty when it did not.
	LaunchFault string `json:"launch_fault,omitempty"`
}

// Groups reports how the pools' groups stand now. SetDesired above a group's
// maximum is an error. A group that comes with ErrLaunchesUnread is valid but for
// its LaunchFault and Warm.
type Groups interface {
	Group(ctx context.Context, pool string) (Group, error)
}

// Change is one value that a setting was given.
type Change struct {
	Version int64     `json:"version"` // of the whole of the settings
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	At      time.Time `json:"at"`
}

// History reports what settings were before.
type History interface {
	// Changes lists a setting's values, newest first; of all settings when name is empty.
	Changes(ctx context.Context, name string, limit int) ([]Change, error)
}
