// Package dynamo stands in for what moto leaves out of DynamoDB: the throughput of
// partitions and of tables on demand, in front of any server, and a server in memory
// that is quick enough for thousands of calls a second.
package dynamo

import (
	"hash/fnv"
	"math"
	"sync"
	"time"
)

// Throughput is units a second.
type Throughput struct{ Writes, Reads float64 }

// The bounds of DynamoDB. A new table on demand takes newTable at once, and a table
// twice its former peak; one that exceeds twice the peak within doubling may throttle.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
// https://www.repost.aws/knowledge-center/on-demand-table-throttling-dynamodb
var (
	onePartition = Throughput{Writes: 1000, Reads: 3000}
	newTable     = Throughput{Writes: 4000, Reads: 12000}
)

const doubling = 30 * time.Minute

// Partitions is the throughput of one table on demand. It is stricter than DynamoDB:
// a partition neither lends what it did not use before (burst capacity) nor splits
// under a hot key (adaptive capacity), and a table never takes more than it must.
type Partitions struct {
	mu      sync.Mutex
	first   Throughput // that the table takes at once
	each    Throughput // that a partition takes
	second  int64      // the second that is counted, Unix
	used    Throughput // by the table in it
	byPart  map[int]Throughput
	byKey   map[string]Throughput
	peaks   []peak // of the minutes so far, rising
	hottest Throughput
	hotKey  string // of the most writes in a second
}

// peak is the most that a table took in a second up to the end of a minute.
type peak struct {
	minute int64
	most   Throughput
}

// NewPartitions is a table that takes so much at once (its warm throughput), and at
// least what a new one does. Each partition takes its bounds times a scale.
func NewPartitions(warm Throughput, scale float64) *Partitions {
	return &Partitions{
		first: Throughput{max(newTable.Writes, warm.Writes) * scale, max(newTable.Reads, warm.Reads) * scale},
		each:  Throughput{onePartition.Writes * scale, onePartition.Reads * scale},
	}
}

// Take uses units of the partition that holds a key, and returns false where the
// table or the partition has none left in this second. Units of a call that was
// answered already are used with force: those after it go without.
func (p *Partitions) Take(now time.Time, key string, units Throughput, force bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	part := partitionOf(key, p.count(now))
	after, of := plus(p.used, units), plus(p.byPart[part], units)
	if !force && (exceeds(units, after, p.allowed(now)) || exceeds(units, of, p.each)) {
		return false
	}
	p.used, p.byPart[part] = after, of
	k := plus(p.byKey[key], units)
	p.byKey[key] = k
	if k.Writes > p.hottest.Writes {
		p.hottest.Writes, p.hotKey = k.Writes, key
	}
	p.hottest.Reads = max(p.hottest.Reads, k.Reads)
	return true
}

// Hottest is the most that one key took in a second, and the key of the most writes.
func (p *Partitions) Hottest() (Throughput, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hottest, p.hotKey
}

// turn begins a new second when it is due, and notes the peak of the one before.
func (p *Partitions) turn(now time.Time) {
	if now.Unix() == p.second && p.byPart != nil {
		return
	}
	minute := p.second / 60
	if n := len(p.peaks); n > 0 && p.peaks[n-1].minute == minute {
		p.peaks[n-1].most = most(p.peaks[n-1].most, p.used)
	} else if n > 0 {
		p.peaks = append(p.peaks, peak{minute, most(p.peaks[n-1].most, p.used)})
	} else {
		p.peaks = append(p.peaks, peak{minute, p.used})
	}
	p.second, p.used = now.Unix(), Throughput{}
	p.byPart, p.byKey = map[int]Throughput{}, map[string]Throughput{}
}

// allowed is what the table takes in a second: twice its peak of half an hour ago.
func (p *Partitions) allowed(now time.Time) Throughput {
	out := p.first
	for _, k := range p.peaks {
		if time.Unix((k.minute+1)*60, 0).Add(doubling).After(now) {
			break
		}
		out = most(out, Throughput{2 * k.most.Writes, 2 * k.most.Reads})
	}
	return out
}

// count is how many partitions hold the table, of which each takes its bound.
func (p *Partitions) count(now time.Time) int {
	a := p.allowed(now)
	return int(math.Ceil(max(a.Writes/p.each.Writes, a.Reads/p.each.Reads)))
}

// partitionOf spreads keys evenly over partitions by their hash, as DynamoDB does.
func partitionOf(key string, partitions int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash takes all
	sum := h.Sum64()
	sum ^= sum >> 33 // FNV's upper bits change little with the last bytes
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	return int(float64(sum>>11) / (1 << 53) * float64(partitions))
}

func plus(a, b Throughput) Throughput { return Throughput{a.Writes + b.Writes, a.Reads + b.Reads} }

func most(a, b Throughput) Throughput {
	return Throughput{max(a.Writes, b.Writes), max(a.Reads, b.Reads)}
}

// exceeds says whether units would bring what is used above a bound, reads and writes
// apart.
func exceeds(units, used, bound Throughput) bool {
	return units.Writes > 0 && used.Writes > bound.Writes || units.Reads > 0 && used.Reads > bound.Reads
}
