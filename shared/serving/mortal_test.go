package serving_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// wins counts the ends that queries were given, by query. The very same record
// may be put again, as a client does that heard no answer: it is one end.
type wins struct {
	mu   sync.Mutex
	won  map[string]int
	held map[string]string
}

// count notes that a record won.
func (w *wins) count(r query.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil {
		w.held = map[string]string{}
	}
	text, _ := json.Marshal(r) // a record always encodes
	if w.held[r.ID] != string(text) {
		w.held[r.ID] = string(text)
		w.won[r.ID]++
	}
}

// mortal is a worker's way to its backend, which is cut at one call: nothing
// reaches the backend any more, as if the process had died there.
type mortal struct {
	platform.Queues
	platform.Records
	platform.Fleet
	wins *wins
	cut  string // where it dies, such as "before finish"; empty means never
	dead atomic.Bool
}

var errDead = fmt.Errorf("the process is dead: %w", platform.ErrUnavailable)

// call makes a call unless the process is dead, or dies of it.
func (m *mortal) call(name string, f func() error) error {
	if m.cut == "before "+name {
		m.dead.Store(true)
	}
	if m.dead.Load() {
		return errDead
	}
	err := f()
	if m.cut == "after "+name {
		m.dead.Store(true)
		return errDead
	}
	return err
}

func (m *mortal) Receive(ctx context.Context, q platform.QueueName, n int, lease, wait time.Duration) (ds []platform.Delivery, err error) {
	err = m.call("ask", func() error { ds, err = m.Queues.Receive(ctx, q, n, lease, wait); return err })
	if len(ds) > 0 && m.cut == "after receive" {
		m.dead.Store(true)
		err = errDead
	}
	if err != nil {
		ds = nil
	}
	return ds, err
}

func (m *mortal) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	return m.call("extend", func() error { return m.Queues.Extend(ctx, d, lease) })
}

func (m *mortal) Delete(ctx context.Context, ds ...platform.Delivery) error {
	return m.call("delete", func() error { return m.Queues.Delete(ctx, ds...) })
}

func (m *mortal) Release(ctx context.Context, ds ...platform.Delivery) error {
	return m.call("release", func() error { return m.Queues.Release(ctx, ds...) })
}

func (m *mortal) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, msg query.Message) error {
	return m.call("move", func() error {
		if m.cut == "amid move" { // sent there, and not yet gone from here
			defer m.dead.Store(true)
			return errors.Join(m.Send(ctx, to, msg), errDead)
		}
		return m.Queues.Move(ctx, d, to, msg)
	})
}

func (m *mortal) PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error) {
	err = m.call("finish", func() error {
		held, won, err = m.Records.PutRecord(ctx, r)
		if won {
			m.wins.count(r)
		}
		return err
	})
	return held, won, err
}

func (m *mortal) EndStates(ctx context.Context, ids ...string) (out map[string]query.State, err error) {
	err = m.call("states", func() error { out, err = m.Records.EndStates(ctx, ids...); return err })
	return out, err
}

func (m *mortal) Report(ctx context.Context, r platform.WorkerReport) (o platform.Orders, err error) {
	if m.dead.Load() {
		return o, errDead
	}
	return m.Fleet.Report(ctx, r)
}
