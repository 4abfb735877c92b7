// Package spot compares how spot instances are bought: hedged on demand, hedged's mix
// and SpotHedge's, on the same arrivals and the same recorded availability.
package spot

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// The ways to buy, the one that the others are compared with first.
const (
	OnDemand  = "hedged, on demand"
	Hedged    = "hedged, spot"
	SpotHedge = "spothedge"
)

// Bought is what one way to buy came to on the windows of a trace and a record.
type Bought struct {
	Way             string
	Bill            simulate.Bill
	Strict, Relaxed simulate.Class
	VMSeconds       float64
	Interrupted     int64
}

// ComputeUSD is workers and functions.
func (b Bought) ComputeUSD() float64 { return b.Bill.Workers + b.Bill.Functions }

// Table is a trace with a record of availability.
type Table struct {
	Trace, Catalogue string
	Record           *simulate.Availability
	Windows          int
	Length           time.Duration // of a window
	PriceFactor      float64       // of a spot instance
	// None and Mean are of the record where it was played: the share of the time without
	// a spot instance, and how many there were in the mean.
	None, Mean float64
	Bought     []Bought
	// Workers is how long workers were up on demand, in worker ticks, and Replaceable for
	// how much of that the record showed a spot instance for each.
	Workers, Replaceable float64
}

// ReplaceableSaving is the share of the on-demand cost that is saved where the workers of
// the first way are spot instances whenever the record shows as many.
func (t *Table) ReplaceableSaving() float64 {
	base := t.Bought[0]
	if t.Workers == 0 || base.ComputeUSD() == 0 {
		return 0
	}
	return (1 - t.PriceFactor) * base.Bill.Workers * t.Replaceable / t.Workers / base.ComputeUSD()
}

// Play plays windows of a case, spread evenly over the trace, against windows spread
// evenly over a record. done is called after each run; it may be nil.
func Play(ctx context.Context, c comparison.Case, record *simulate.Availability, windows int, length time.Duration, done func(string)) (Table, error) {
	t := Table{Trace: c.Name, Catalogue: c.Market.Name, Record: record, Windows: windows, Length: length, PriceFactor: c.Spot.PriceFactor}
	if c.For == 0 {
		c.For = c.Trace.Duration() - c.From
	}
	if windows < 1 || length <= 0 || c.For < length || record.Duration() < length {
		return t, fmt.Errorf("%d windows of %s do not fit into %s of trace %s and %s of record %s", windows, length, c.For, c.Name, record.Duration(), record.Name)
	}
	first, whole := c.From, c.For-length
	for i := range windows {
		c.From, c.For = first+(whole*time.Duration(i)/time.Duration(windows)).Truncate(time.Second), length
		c.Spot.Offset = ((record.Duration() - length) * time.Duration(i) / time.Duration(windows)).Truncate(record.Step)
		t.count(record, c.Spot.Offset)
		if err := t.window(ctx, c, done); err != nil {
			return t, err
		}
	}
	return t, nil
}

// count adds a window of the record to what there was.
func (t *Table) count(record *simulate.Availability, from time.Duration) {
	steps := int(t.Length / record.Step)
	for i := range steps {
		sum := shown(record, from+time.Duration(i)*record.Step)
		part := 1 / float64(t.Windows*steps)
		t.Mean += float64(sum) * part
		if sum == 0 {
			t.None += part
		}
	}
}

// shown is how many spot instances a record shows at a time, in all zones.
func shown(record *simulate.Availability, at time.Duration) (sum int) {
	for _, n := range record.Rows[min(int(at/record.Step), len(record.Rows)-1)] {
		sum += n
	}
	return sum
}

// compare counts, tick by tick, the workers on demand and those that could be spot instances.
func (t *Table) compare(from, offset time.Duration) func(simulate.Moment) {
	return func(m simulate.Moment) {
		if m.At < from {
			return
		}
		p := m.Snapshot.Pool
		n := p.Ready + p.Booting + p.Draining
		t.Workers += float64(n)
		t.Replaceable += float64(min(n, shown(t.Record, offset+m.At-from)))
	}
}

// window plays each way on one window.
func (t *Table) window(ctx context.Context, c comparison.Case, done func(string)) error {
	hedged, err := procurement.Get("hedged")
	if err != nil {
		return err
	}
	rival, err := rivals.Get(SpotHedge)
	if err != nil {
		return err
	}
	for k, way := range []struct {
		name   string
		scheme procurement.Scheme
		record *simulate.Availability
	}{{OnDemand, hedged, nil}, {Hedged, hedged, t.Record}, {SpotHedge, rival, t.Record}} {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.Spot.Availability = way.record
		cfg, err := c.Config(way.scheme)
		if err != nil {
			return err
		}
		if way.record == nil {
			cfg.Watch = t.compare(c.From, c.Spot.Offset)
		}
		r, err := simulate.Run(cfg)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if len(t.Bought) <= k {
			t.Bought = append(t.Bought, Bought{Way: way.name})
		}
		t.Bought[k].add(r)
		if done != nil {
			done(c.Name + " " + way.name)
		}
	}
	return nil
}

func (b *Bought) add(r simulate.Result) {
	b.Bill.Workers += r.Bill.Workers
	b.Bill.Functions += r.Bill.Functions
	b.Bill.Machinery += r.Bill.Machinery
	addClass(&b.Strict, r.Strict)
	addClass(&b.Relaxed, r.Relaxed)
	b.VMSeconds += r.VMSeconds
	b.Interrupted += r.Interrupted
}

func addClass(into *simulate.Class, c simulate.Class) {
	into.Arrived += c.Arrived
	into.Missed += c.Missed
	into.Overflow += c.Overflow
}
