package dynamo

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// taken is how many writes of a unit, each of a key, a table takes in a second.
func taken(p *Partitions, at time.Time, writes int, key func(i int) string) (n int) {
	for i := range writes {
		if p.Take(at, key(i), Throughput{Writes: 1}, false) {
			n++
		}
	}
	return n
}

func spread(i int) string { return fmt.Sprint("key ", i) }
func one(int) string      { return "one" }

// A key takes what a partition does, a new table 4,000 writes a second and a warm one
// what it was made for; the next second begins anew.
func TestPartitionsTakeTheirBounds(t *testing.T) {
	p := NewPartitions(Throughput{}, 1)
	for second := range 2 {
		at := noon.Add(time.Duration(second) * time.Second)
		if n := taken(p, at, 5000, one); n != 1000 {
			t.Errorf("one key takes %d writes in second %d", n, second)
		}
	}
	if n := taken(NewPartitions(Throughput{}, 1), noon, 10_000, spread); n != 4000 {
		t.Errorf("a new table takes %d writes", n)
	}
	if n := taken(NewPartitions(Throughput{Writes: 40_000}, 0.1), noon, 10_000, spread); n < 3800 || n > 4000 {
		t.Errorf("a tenth of a table of 40,000 takes %d writes", n)
	}
	if most, key := p.Hottest(); most.Writes != 1000 || key != "one" {
		t.Errorf("the hottest key is %s with %v", key, most)
	}
}

// A table takes twice its peak, once that is half an hour old.
func TestATableDoublesByItsFormerPeak(t *testing.T) {
	p := NewPartitions(Throughput{}, 1)
	for _, tc := range []struct {
		after time.Duration
		least int
		most  int
	}{{0, 4000, 4000}, {29 * time.Minute, 4000, 4000}, {31 * time.Minute, 7800, 8000}, {61 * time.Minute, 7800, 8000}, {62 * time.Minute, 15_000, 16_000}} {
		if n := taken(p, noon.Add(tc.after), 20_000, spread); n < tc.least || n > tc.most {
			t.Errorf("after %v it takes %d writes, want %d to %d", tc.after, n, tc.least, tc.most)
		}
	}
}

// What an answer shows that a call took more is missing to those after it.
func TestUnitsOfAnAnswerAreTakenByForce(t *testing.T) {
	p := NewPartitions(Throughput{}, 1)
	if !p.Take(noon, "one", Throughput{Reads: 5000}, true) || p.Take(noon, "one", Throughput{Reads: 1}, false) {
		t.Error("a read after 5000 units is answered")
	}
	if !p.Take(noon, "one", Throughput{Writes: 1}, false) {
		t.Error("reads take of the writes")
	}
}
