package control

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
)

// memory is what is kept of a pool between two ticks.
type memory struct {
	State decision.State  `json:"state"`
	Rules decision.Action `json:"rules"`          // in force
	Warm  int             `json:"warm,omitempty"` // stopped instances that are ready to be started
	// Failed is why the last action could not be done.
	Failed string `json:"failed,omitempty"`
	workload.Means
	// Settled are the means of the queries before SettledTo, whose seconds are
	// not read again.
	Settled   workload.Means `json:"settled"`
	SettledTo time.Time      `json:"settled_to,omitzero"`
	// IdleTracking reports how long workers were too many.
	IdleTracking procurement.IdleTracking `json:"packing,omitempty"`

	// WorkersUSD is what workers have cost in the hour that began at Hour, as far as SpentTo.
	Hour       time.Time `json:"hour,omitzero"`
	SpentTo    time.Time `json:"spent_to,omitzero"`
	WorkersUSD float64   `json:"workers_usd"`
	// Up is how many workers there were at the last tick, those that leave included, and
	// Wanted how many it would have been for without the budget.
	Up     int `json:"up,omitempty"`
	Wanted int `json:"wanted,omitempty"`
}

// mostMemory bounds what a memory or a record unpacks to, in bytes.
const mostMemory = 32 << 20

// compressors are kept, as making one takes as long as it takes to compress a record.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// pack compresses what goes into the decision log, and Unpack reads it again: an hour
// of arrivals is long, and much the same from second to second.
func pack(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&b)
	_, err := z.Write(raw)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack is Pack's inverse.
func Unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, mostMemory))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return raw, nil
}

// recall reads a pool's memory. One that cannot be read is as if there were
// none: the controller then watches before it lets any worker go.
func (c *Controller) recall(ctx context.Context, pool string) memory {
	m, err := c.remembered(ctx, pool)
	if err != nil {
		c.Log.Warn("could not read the state of earlier ticks; starting without it", "pool", pool, "error", err)
		return memory{}
	}
	return m
}

// remembered is what the decision log has of a pool: nothing before its first tick.
func (c *Controller) remembered(ctx context.Context, pool string) (m memory, err error) {
	packed, err := c.DecisionLog.Memory(ctx, pool)
	if errors.Is(err, platform.ErrNotFound) {
		return memory{}, nil
	}
	var raw []byte
	if err == nil {
		raw, err = Unpack(packed)
	}
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		return memory{}, fmt.Errorf("read what is remembered of pool %s: %w", pool, err)
	}
	return m, nil
}

// entry is a decision as the decision log keeps it.
func (c *Controller) entry(r decision.Record, set settings.Settings) (platform.Entry, error) {
	raw, err := r.Bytes()
	if err != nil {
		return platform.Entry{}, err
	}
	packed, err := pack(raw)
	return platform.Entry{
		ID: r.ID, Pool: r.Case.Pool, At: r.Case.At, Moves: r.Action.Moves(), Line: r.Summary(), Record: packed,
		ForgetAt: r.Case.At.Add(time.Duration(set.DecisionsKeptHours * float64(time.Hour))),
	}, err
}

func (c *Controller) write(ctx context.Context, l platform.Lease, m memory, e platform.Entry) error {
	ctx, span := c.Traces.Child(ctx, "record")
	defer span.End()
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the memory of pool %s: %w", e.Pool, err)
	}
	packed, err := pack(raw)
	if err != nil {
		return err
	}
	return c.DecisionLog.Commit(ctx, l, packed, e)
}
