package sqlite

import (
	"math/rand/v2"
	"time"
)

// Chaos makes queues as unkind as their contract allows, the same way for the
// same seed and the same order of calls. It is for tests.
type Chaos struct {
	Seed      uint64
	Duplicate float64       // share of messages that come twice
	Delay     float64       // share of messages that come late
	Late      time.Duration // the most that they do
	Reorder   bool          // hand messages out in a random order
}

// dice decides what befalls a message. The writer alone rolls it.
type dice struct {
	Chaos
	rand *rand.Rand
}

func newDice(c *Chaos) *dice {
	if c == nil {
		return nil
	}
	return &dice{Chaos: *c, rand: rand.New(rand.NewPCG(c.Seed, 0))}
}

// reach is how far into the past reordered messages are dated: far enough to
// go ahead of whatever waits.
const reach = time.Hour

// copies returns when each copy of a message sent now becomes visible.
func (d *dice) copies(now time.Time) []time.Time {
	if d == nil {
		return []time.Time{now}
	}
	out := []time.Time{d.deliveryTime(now)}
	if d.rand.Float64() < d.Duplicate {
		out = append(out, d.deliveryTime(now))
	}
	return out
}

func (d *dice) deliveryTime(now time.Time) time.Time {
	if d.Late > 0 && d.rand.Float64() < d.Delay {
		return now.Add(time.Duration(d.rand.Int64N(int64(d.Late))))
	}
	if d.Reorder {
		return now.Add(-time.Duration(d.rand.Int64N(int64(reach))))
	}
	return now
}
