package tally

import (
	"math"
	"slices"
)

// The buckets of every histogram. Bucket i holds the values v in milliseconds
// with 2^(i/8) < v <= 2^((i+1)/8): eight buckets for each doubling, each 9.05 %
// wide, as in OpenTelemetry's exponential histogram at scale 3. They reach from
// 0.048 ms to 623 s (ten minutes and more); one bucket below takes what is
// shorter and one above what is longer.
const (
	perDoubling = 8
	lowest      = -35 // 2^(-35/8) ms = 0.048 ms
	highest     = 153 // 2^(154/8) ms = 623 s
	// bucketCount counts the bucket below and the one above too.
	bucketCount = highest - lowest + 3
)

// BucketError is the most by which a quantile of values between 0.05 ms and 10
// minutes can be wrong, as a share of the exact value: 2^(1/8) - 1.
const BucketError = 0.0906

// roots are 2^(j/8).
var roots = func() (r [perDoubling]float64) {
	for j := range r {
		r[j] = math.Exp2(float64(j) / perDoubling)
	}
	return r
}()

// power returns 2^(i/8), always the same float for one i.
func power(i int) float64 {
	doublings := i >> 3 // rounds down, also below 0
	return math.Ldexp(roots[i-doublings*perDoubling], doublings)
}

// UpperMS is the largest value that a bucket takes, by its place from 0 (the one
// below all others) to BucketCount-1 (the one above, without an end).
func UpperMS(place int) float64 {
	if place >= bucketCount-1 {
		return math.Inf(1)
	}
	return power(lowest + place)
}

// HalfDoubling reports whether a bucket's upper bound is a power of the square
// root of two: two bounds for each doubling, for who wants fewer buckets.
func HalfDoubling(place int) bool {
	return place < bucketCount-1 && (place+lowest)%(perDoubling/2) == 0
}

// BucketCount is how many buckets there are.
const BucketCount = bucketCount

// mantissaBits is how many bits of a float64 are its mantissa.
const mantissaBits = 52

// mantissas are the mantissas of the roots: those of floats from 1 to 2 are in
// the order of the floats.
var mantissas = func() (m [perDoubling]uint64) {
	for j, r := range roots {
		m[j] = math.Float64bits(r) & (1<<mantissaBits - 1)
	}
	return m
}()

// place returns the bucket of a value. What is no time, or below 0, counts as 0.
func place(ms float64) int {
	if !(ms > 0) {
		return 0
	}
	// ms is 2^doublings times a mantissa from 1 to 2. A number so small that this
	// does not hold (subnormal) is far below the lowest bucket anyway.
	bits := math.Float64bits(ms)
	doublings, mantissa := int(bits>>mantissaBits)-1023, bits&(1<<mantissaBits-1)
	// A guess by the leading bits, which is never too high, leaves one or two
	// bounds to compare with.
	at := int(guesses[mantissa>>(mantissaBits-guessBits)])
	for at < perDoubling && mantissas[at] < mantissa {
		at++
	}
	return min(max(doublings*perDoubling+at-lowest, 0), bucketCount-1)
}

// guesses are how many roots lie below what begins with some bits.
const guessBits = 5

var guesses = func() (g [1 << guessBits]uint8) {
	for lead := range g {
		for g[lead] < perDoubling && mantissas[g[lead]] < uint64(lead)<<(mantissaBits-guessBits) {
			g[lead]++
		}
	}
	return g
}()

// cell is a bucket that is not empty.
type cell struct {
	place int
	n     int64
}

// Histogram counts times in milliseconds by buckets of fixed bounds, so that
// two of them can be added and subtracted bucket by bucket. Counts are exact;
// quantiles are within BucketError. The zero value is empty. A Histogram is a
// value: no method changes it, or what it was made from.
type Histogram struct {
	cells []cell // in the order of their places, none empty
	sumMS float64
}

// NewHistogram counts values, in milliseconds.
func NewHistogram(ms ...float64) Histogram {
	var l live
	for _, v := range ms {
		l.add(v)
	}
	return l.histogram()
}

// IsZero reports whether it is empty.
func (h Histogram) IsZero() bool { return len(h.cells) == 0 }

// Equal reports whether two hold the same.
func (h Histogram) Equal(o Histogram) bool {
	return h.sumMS == o.sumMS && slices.Equal(h.cells, o.cells)
}

// Count is how many values were counted.
func (h Histogram) Count() int64 {
	var n int64
	for _, c := range h.cells {
		n += c.n
	}
	return n
}

// SumMS is the sum of the values.
func (h Histogram) SumMS() float64 { return h.sumMS }

// Buckets yields the buckets that are not empty, from the shortest times to the
// longest, with how many values each holds.
func (h Histogram) Buckets(yield func(place int, n int64) bool) {
	for _, c := range h.cells {
		if !yield(c.place, c.n) {
			return
		}
	}
}

// Quantile returns the value below which a share q of the values lies, from 0
// to 1: the one of rank ceil(q*n), taken to lie within its bucket by its rank
// there. It is in the same bucket as the exact value, so that it is wrong by at
// most BucketError of it. Shorter values than 0.048 ms are wrong by as much at
// most, and of those above 623 s it is known only that they are longer: then
// 623 s is returned. False when it is empty.
func (h Histogram) Quantile(q float64) (ms float64, ok bool) {
	n := h.Count()
	if n == 0 {
		return 0, false
	}
	rank := min(max(int64(math.Ceil(q*float64(n))), 1), n)
	var before int64
	for _, c := range h.cells {
		if before+c.n >= rank {
			return within(c.place, (float64(rank-before)-0.5)/float64(c.n)), true
		}
		before += c.n
	}
	return 0, false
}

// within returns the value at a share of a bucket's width, on a logarithmic scale.
func within(place int, share float64) float64 {
	switch place {
	case 0:
		return share * UpperMS(0)
	case bucketCount - 1:
		return UpperMS(bucketCount - 2)
	}
	low := UpperMS(place - 1)
	return low * math.Pow(UpperMS(place)/low, share)
}

// Merge returns the values of both.
func (h Histogram) Merge(o Histogram) Histogram {
	if o.IsZero() {
		return h
	}
	if h.IsZero() {
		return o
	}
	out := Histogram{cells: make([]cell, 0, len(h.cells)+len(o.cells)), sumMS: h.sumMS + o.sumMS}
	a, b := h.cells, o.cells
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].place < b[0].place:
			out.cells, a = append(out.cells, a[0]), a[1:]
		case a[0].place > b[0].place:
			out.cells, b = append(out.cells, b[0]), b[1:]
		default:
			out.cells = append(out.cells, cell{a[0].place, a[0].n + b[0].n})
			a, b = a[1:], b[1:]
		}
	}
	out.cells = append(append(out.cells, a...), b...)
	return out
}

// Minus returns what was counted after an earlier state of the same histogram.
// A bucket that has lost values, which no earlier state can have more of,
// counts as empty.
func (h Histogram) Minus(earlier Histogram) Histogram {
	var out Histogram
	b := earlier.cells
	for _, c := range h.cells {
		for len(b) > 0 && b[0].place < c.place {
			b = b[1:]
		}
		if len(b) > 0 && b[0].place == c.place {
			c.n -= b[0].n
		}
		if c.n > 0 {
			out.cells = append(out.cells, c)
		}
	}
	if !out.IsZero() {
		out.sumMS = max(0, h.sumMS-earlier.sumMS)
	}
	return out
}

// live is a histogram that is being counted.
type live struct {
	counts [bucketCount]int64
	sumMS  float64
}

// longestMS stands for what has no end, in sums.
var longestMS = power(highest + 1)

func (l *live) add(ms float64) {
	at := place(ms)
	l.counts[at]++
	if ms > 0 {
		l.sumMS += min(ms, longestMS)
	}
}

// histogram returns what was counted so far.
func (l *live) histogram() Histogram {
	used := 0
	for _, n := range l.counts {
		if n > 0 {
			used++
		}
	}
	if used == 0 {
		return Histogram{}
	}
	out := Histogram{cells: make([]cell, 0, used), sumMS: l.sumMS}
	for at, n := range l.counts {
		if n > 0 {
			out.cells = append(out.cells, cell{at, n})
		}
	}
	return out
}
