package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// trafficName is the shared value that holds the history of tallies.
	trafficName = "traffic"
	// trafficSavedEvery is how often it is written, unless it is as it was: with the
	// minutes, as rows of the past are. A controller that goes on from it loses nothing:
	// what was counted meanwhile counts as of its start.
	trafficSavedEvery = time.Minute
	// trafficTime bounds one read of all tallies.
	trafficTime = 30 * time.Second
	// mostTraffic bounds the written history, in packed bytes: a row of DynamoDB
	// takes 400 KB. A larger one is written without the workers' own counts.
	mostTraffic = 300 << 10
)

// traffic is what became of the last queries, by what the workers counted. One
// read at a time holds it.
type traffic struct {
	history *tally.History
	past    past
	version int64  // of the shared value that both go on from
	saved   []byte // that value
	savedAt time.Time
	last    tally.Summary
	warm    []string // models whose functions count as warm
}

// newSummaries caches what became of the last queries. The workers' tallies are
// read once a heartbeat, as they come no more often, and no view of the fleet
// waits for them.
func (c *Controller) newSummaries() *cache.Cache[tally.Summary] {
	return cache.New(cache.Options[tally.Summary]{
		Fetch: c.readTraffic, Timeout: trafficTime, Now: c.Now,
		TTL: func(tally.Summary) time.Duration { return seconds(c.settings().HeartbeatSeconds) },
	})
}

// readTraffic feeds the history, keeps it, and sums it up. What cannot be read is
// read the next time, as tallies are cumulative.
func (c *Controller) readTraffic(ctx context.Context) (tally.Summary, error) {
	if err := c.feedTraffic(ctx, c.Now()); err != nil {
		c.Log.Warn("could not read the workers' counts of ended queries", "error", err)
	}
	return c.traffic.last, nil
}

func (c *Controller) feedTraffic(ctx context.Context, now time.Time) error {
	t := &c.traffic
	if t.history == nil {
		if err := c.restoreTraffic(ctx, now); err != nil {
			return err
		}
	}
	var errs []error
	var more []tally.Tally
	for _, pool := range c.allPools() {
		counted, err := c.Fleet.Tallies(ctx, pool.Name)
		errs = append(errs, err)
		c.mu.Lock()
		c.tallies[pool.Name] = counted
		for id, s := range counted {
			of := t.history.Feed(pool.Name+"/"+id, s, now)
			c.noteAnswers(pool.Name+"/"+id, of, now)
			more = append(more, of...)
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.forgetAnswers(now)
	c.mu.Unlock()
	t.history.Forget(now)
	t.last = t.history.Summary(now)
	warm := warmFunctions(t.history.LastMinute(now))
	c.mu.Lock()
	t.warm = warm
	c.mu.Unlock()
	c.samplePast(now, more)
	c.countTotals(now, more)
	if c.Shared != nil && now.Truncate(trafficSavedEvery).After(t.savedAt) {
		errs = append(errs, c.saveTraffic(ctx, now))
	}
	return errors.Join(errs...)
}

// warmFunctions are the models whose functions count as warm, by what was counted lately.
func warmFunctions(lately []tally.Tally) (models []string) {
	for _, t := range lately {
		if sizing.MostlyWarm(t.Overflowed, t.ColdStarts) {
			models = append(models, t.Model)
		}
	}
	slices.Sort(models)
	return models
}

// restoreTraffic goes on from the history of an earlier controller. One that
// cannot be decoded is as if there were none.
func (c *Controller) restoreTraffic(ctx context.Context, now time.Time) error {
	t := &c.traffic
	var packed []byte
	if c.Shared != nil {
		var err error
		if packed, t.version, err = c.Shared.ReadShared(ctx, trafficName); err != nil {
			return fmt.Errorf("read the history of ended queries: %w", err)
		}
	}
	t.savedAt, t.saved, t.history, t.past = now, packed, tally.NewHistory(now), past{}
	if packed == nil {
		return nil
	}
	before, rows, err := unpackTraffic(packed)
	if err != nil {
		c.Log.Warn("could not read the history of ended queries; starting without it", "error", err)
		return nil
	}
	t.history, t.past = before, rows
	return nil
}

// unpackTraffic reads a history and the rows of the past after it, which earlier
// versions did not write.
func unpackTraffic(packed []byte) (*tally.History, past, error) {
	before, rows := new(tally.History), past{}
	raw, err := Unpack(packed)
	if err != nil {
		return nil, rows, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err = d.Decode(before); err == nil {
		err = d.Decode(&rows)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return before, rows, err
}

// saveTraffic writes the history for the next controller. If another controller
// has written one meanwhile, the next turn goes on from that one.
func (c *Controller) saveTraffic(ctx context.Context, now time.Time) error {
	t := &c.traffic
	packed, err := packTraffic(t.history, t.past, now)
	if err != nil {
		return err
	}
	// Totals are handed on once they are written, so that one process of all does it.
	if bytes.Equal(packed, t.saved) && c.Totals == nil {
		t.savedAt = now
		return c.storePast(ctx)
	}
	version, err := c.Shared.SwapShared(ctx, trafficName, packed, t.version)
	switch {
	case errors.Is(err, platform.ErrConflict):
		t.history = nil
	case err != nil:
		return fmt.Errorf("write the history of ended queries: %w", err)
	default:
		t.version, t.saved, t.savedAt = version, packed, now
		c.handOn(now)
		return c.storePast(ctx)
	}
	return nil
}

// packTraffic encodes a history, and the rows of the past after it, within mostTraffic.
func packTraffic(h *tally.History, p past, now time.Time) ([]byte, error) {
	rows, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the rows of the history: %w", err)
	}
	packed, err := packHistory(h, rows)
	if err != nil || len(packed) <= mostTraffic {
		return packed, err
	}
	slim, _, err := unpackTraffic(packed)
	if err != nil {
		return nil, err
	}
	slim.ForgetSources(now)
	return packHistory(slim, rows)
}

func packHistory(h *tally.History, rows []byte) ([]byte, error) {
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode the history of ended queries: %w", err)
	}
	return pack(append(raw, rows...))
}
