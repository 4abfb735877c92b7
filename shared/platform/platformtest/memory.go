package platformtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Memory is a platform.Records in the process's memory, for tests of packages that
// need no store. It takes any id, also one that is not signed. Its methods may
// be called from many goroutines.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	records map[string]query.Record
	added   chan struct{} // closed, and replaced, when a record is stored
	late    int
}

var _ platform.Records = (*Memory)(nil)

// NewMemory returns a Memory without records. The clock says which of them are
// past their retention.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, records: map[string]query.Record{}, added: make(chan struct{})}
}

// LateWrites returns how many records came after the first of their id.
func (m *Memory) LateWrites() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.late
}

// get returns a record that is not past its retention; mu must be held.
func (m *Memory) get(id string) (query.Record, bool) {
	r, ok := m.records[id]
	return r, ok && (r.ForgetAt.IsZero() || m.now().Before(r.ForgetAt))
}

// PutRecord implements platform.Records.
func (m *Memory) PutRecord(ctx context.Context, r query.Record) (query.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return query.Record{}, false, err
	}
	if !r.State.Terminal() {
		return query.Record{}, false, fmt.Errorf("put record %s: state %q is not terminal", r.ID, r.State)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.get(r.ID); ok {
		if reflect.DeepEqual(held, r) { // a writer that got no answer puts it again
			return held, true, nil
		}
		m.late++
		return held, false, nil
	}
	m.records[r.ID] = r
	close(m.added)
	m.added = make(chan struct{})
	return r, true, nil
}

// GetRecord implements platform.Records.
func (m *Memory) GetRecord(_ context.Context, id string) (query.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.get(id)
	if !ok {
		return query.Record{}, fmt.Errorf("get record %s: %w", id, platform.ErrNotFound)
	}
	return r, nil
}

// AwaitRecord implements platform.Records.
func (m *Memory) AwaitRecord(ctx context.Context, id string) (query.Record, error) {
	for {
		m.mu.Lock()
		added := m.added
		m.mu.Unlock()
		r, err := m.GetRecord(ctx, id)
		if err == nil || ctx.Err() != nil {
			return r, err
		}
		select {
		case <-added:
		case <-ctx.Done():
		}
	}
}

// EndStates implements platform.Records.
func (m *Memory) EndStates(_ context.Context, ids ...string) (map[string]query.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]query.State{}
	for _, id := range ids {
		if r, ok := m.get(id); ok {
			out[id] = r.State
		}
	}
	return out, nil
}

// ListRecords implements platform.Records.
func (m *Memory) ListRecords(_ context.Context, owner string, limit int) ([]query.Record, error) {
	return m.newest(limit, func(r query.Record) bool { return r.Owner == owner && !direct(r.ID) }), nil
}

// SampleRecords implements platform.Records.
func (m *Memory) SampleRecords(_ context.Context, since time.Time, limit int) ([]query.Record, error) {
	return m.newest(limit, func(r query.Record) bool { return direct(r.ID) && !r.AcceptedAt.Before(since) }), nil
}

// direct reports whether an id is that of a direct answer; one that is not signed is not.
func direct(id string) bool {
	parsed, err := signed.PeekID(id)
	return err == nil && parsed.Kind == signed.Direct
}

func (m *Memory) newest(limit int, wanted func(query.Record) bool) []query.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []query.Record
	for id := range maps.Keys(m.records) {
		if r, ok := m.get(id); ok && wanted(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b query.Record) int {
		return cmp.Or(b.AcceptedAt.Compare(a.AcceptedAt), cmp.Compare(b.ID, a.ID))
	})
	return out[:min(limit, len(out))]
}
